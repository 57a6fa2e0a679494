"""pytest plugin for the SDK's own tests: their client talks to the sandbox (platforms/scale.md §10.1, item 2)."""

import os

import scaleapi.api

scaleapi.api.SCALE_API_BASE_URL_V1 = os.environ["LABELGATE_SANDBOX_URL"]
