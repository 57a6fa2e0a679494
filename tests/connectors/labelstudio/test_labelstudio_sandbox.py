"""The claims about Label Studio, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.labelstudio.labelstudio_claims import Claims
from tests.connectors.labelstudio.labelstudio_server import Server, sandbox_server


@pytest.fixture
def server() -> Iterator[Server]:
    with sandbox_server() as found:
        yield found


class TestLabelStudioSandbox(Claims):
    many = 400
