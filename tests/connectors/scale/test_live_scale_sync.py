"""Syncs of a live Scale source against the sandbox over real sockets: passes, places to resume, nets, page sizes."""

import json
import secrets as chance

import pytest

from connectors.documents import Kind
from connectors.scale import sandbox_rules
from connectors.scale.sandbox_state import API_KEYS
