"""The claims about Label Studio, against the server itself: ``make test-labelstudio`` starts one and says where."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.connectors.labelstudio.labelstudio_claims import Claims
from tests.connectors.labelstudio.labelstudio_server import Server

URL = os.environ.get("LABELGATE_LABELSTUDIO_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="needs a real Label Studio: make test-labelstudio")


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server(URL, os.environ["LABELGATE_LABELSTUDIO_TOKEN"])
    with found.http:
        found.clear()
        yield found
        found.clear()


class TestLabelStudioServer(Claims):
    many = int(os.environ.get("LABELGATE_LABELSTUDIO_MANY", "10000"))
