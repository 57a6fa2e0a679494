"""What every transport of the edge needs: who asks, how much they may, and how an operation runs for them."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from graphql import OperationType

from gateway.auth import Authenticator, Identity, Unauthenticated
from gateway.desk import Desk
from gateway.documents import Documents
from gateway.metrics import Metrics
from gateway.operations import Answer, NotExecuted, Operations, Parameters, Prepared
from gateway.quotas import Quotas
from gateway.settings import Settings
from gateway.store.reader import Reader
from gateway.store.store import Store
from gateway.watch import Hub
from schema.context import Context
from schema.ports import Viewer

_RECHECK_SECONDS = 15.0


@dataclass(slots=True)
class Edge:
    """One a process."""

    store: Store
    settings: Settings
    auth: Authenticator
    operations: Operations
    documents: Documents
    quotas: Quotas
    hub: Hub
    desk: Desk
    metrics: Metrics
    reader: Reader
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(self.settings.server.cors_origins)

    async def identify(self, authorization: str | None, host: str | None = None) -> Identity:
        """Who asks. While no token is asked for, only those who call this machine by its own name get in.

        A page that points its own name at 127.0.0.1 (DNS rebinding) would otherwise read everything.
        Raises ``Unauthenticated``.
        """
        identity = await self.auth.identify(authorization)
        if not authorization and host is not None and not is_loopback(_name(host)):
            raise Unauthenticated(f"without tokens this gateway answers to localhost only, not to {_name(host)[:100]}")
        return identity

    async def until_refused(self, identity: Identity, authorization: str | None) -> str:
        """Waits until the caller's token ends, by time or by somebody's hand; gives the reason."""
        while True:
            left = identity.seconds_left()
            await asyncio.sleep(_RECHECK_SECONDS if left is None else max(0.05, min(left, _RECHECK_SECONDS)))
            try:
                await self.auth.identify(authorization)
            except Unauthenticated as problem:
                return str(problem)
            except Exception:  # noqa: BLE001, S112 - MongoDB is away: the next look will tell
                continue

    def context(self, viewer: Viewer) -> Context:
        return Context(reader=self.reader, viewer=viewer, desk=self.desk, changes=self.hub)

    async def run(self, prepared: Prepared, parameters: Parameters, viewer: Viewer) -> Answer:
        """Raises ``NotExecuted``."""
        began = time.perf_counter()
        try:
            found = await self.operations.run(prepared, parameters, self.context(viewer))
        except NotExecuted:
            self.metrics.operation(prepared, "refused", time.perf_counter() - began)
            raise
        outcome = "error" if "errors" in found.body else "ok"
        cost = found.body["extensions"]["cost"]["requested"]
        self.metrics.operation(prepared, outcome, time.perf_counter() - began, cost)
        return found

    async def stream(self, prepared: Prepared, parameters: Parameters, viewer: Viewer) -> AsyncGenerator[Answer, None]:
        """Raises ``NotExecuted``."""
        if prepared.kind is not OperationType.SUBSCRIPTION:
            yield await self.run(prepared, parameters, viewer)
            return
        stream = self.operations.stream(prepared, parameters, self.context(viewer))
        async with aclosing(stream):
            async for found in stream:
                self.metrics.event(prepared)
                yield found

    @contextmanager
    def subscribed(self, identity: Identity, prepared: Prepared) -> Iterator[None]:
        """Holds a place for a subscription; other operations need none. Raises ``TooMany``."""
        if prepared.kind is not OperationType.SUBSCRIPTION:
            yield
            return
        with self.quotas.subscription(identity.key), self.metrics.subscriptions.track_inprogress():
            yield

    async def close(self) -> None:
        """Says good-bye to everybody who waits for more."""
        self.closing.set()
        await self.hub.close()


def is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host
