"""The toy platform over real sockets, for the tests of the HTTP kit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from connectors.sandbox import serve
from tests.connectors.toy import Toy, platform

# Examples are bounded by their number; how long one takes says more about the machine's other work.
settings.register_profile("connectors", deadline=None)
settings.load_profile("connectors")


@pytest.fixture(scope="module")
def served() -> Iterator[Toy]:
    sandbox = platform()
    with serve(sandbox, date_header=False) as url:
        yield Toy(url, sandbox.control)


@pytest.fixture
def toy(served: Toy) -> Toy:
    served.control.heal()
    served.control.requests.clear()
    served.control.effects.clear()
    return Toy(served.url, served.control)
