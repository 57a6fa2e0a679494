"""One server for the tests of the Scale sandbox; each test puts a sandbox of its own on it."""

import pytest

from connectors.sandbox import serve
from connectors.scale.sandbox import create
from tests.connectors.scale import live_scale
from tests.connectors.scale.scale_client import Client


class Stage:
    """What the server serves: the sandbox that was shown last."""

    name = "stage"

    def asgi(self):
        return self

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

    def show(self, sandbox):
        self.app = sandbox.asgi()
        return Client(sandbox, self.url)


@pytest.fixture(scope="session")
def stage():
    one = Stage()
    with serve(one) as one.url:
        yield one


@pytest.fixture
def scale(stage):
    with stage.show(create()) as client:
        yield client


@pytest.fixture
def empty(stage):
    with stage.show(create(tasks=0)) as client:
        yield client


@pytest.fixture
async def platform():
    """Opens live sources of the sandbox, and closes them."""
    opened = []

    def open_one(client, **changes):
        opened.append(live_scale.platform(client, **changes))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def live(platform):
    """The same, as the sync engine wants them."""
    return lambda client, **changes: live_scale.live(platform(client, **changes))
