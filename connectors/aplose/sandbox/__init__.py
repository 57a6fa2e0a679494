"""APLOSE in miniature: v3.4.1, or v2.5.7's REST with ``version="v2"`` (fact sheet `platforms/aplose.md` §5 to §8).

``create`` gives a server with invented campaigns; ``build`` one around a store of your own. The parts: ``_model`` and
``_store`` remember, ``_rows`` writes, ``_submit`` and ``_v2_submit`` take tasks, ``_schema`` speaks GraphQL, ``_rest``
and ``_v2`` speak REST, ``_csv`` exports, ``_auth`` logs in, ``_actions`` are the people on the other side.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.routing import Route

from connectors.aplose.sandbox.actions import register
from connectors.aplose.sandbox.auth import Tokens
from connectors.aplose.sandbox.graphql import endpoint
from connectors.aplose.sandbox.rest import routes
from connectors.aplose.sandbox.seed import ACCOUNT, populate
from connectors.aplose.sandbox.store import Store
from connectors.aplose.sandbox.v2 import routes as routes_v2
from connectors.aplose.sandbox.v2_graphql import endpoint_v2
from connectors.aplose.sandbox.web import Server, router
from connectors.sandbox import Control, Sandbox


def create(seed: int = 0, version: str = "v3", spectrograms: int = 20) -> Sandbox:
    """Deterministic data: about four annotations a spectrogram; the account of ``settings`` is staff."""
    control = Control(seed)
    store = Store(control.clock, control.effect)
    populate(store, seed, spectrograms)
    return build(store, control, version=version, seed=seed)


def build(
    store: Store, control: Control, *, version: str = "v3", seed: int = 0, account: tuple[str, str] = ACCOUNT
) -> Sandbox:
    """A server around a store."""
    if version not in {"v2", "v3"}:
        raise ValueError(f"version is 'v2' or 'v3', not {version!r}")
    server = Server(store, Tokens(store, seed))
    register(control, store, server.tokens)
    speak = endpoint if version == "v3" else endpoint_v2
    known = routes(server) if version == "v3" else routes_v2(server)
    graphql = Route("/api/graphql", partial(speak, server), methods=["GET", "POST", "PUT", "PATCH", "DELETE"])

    def settings(url: str) -> dict[str, Any]:
        return {"url": url, "username": account[0], "password": account[1]}

    return Sandbox(name="aplose", app=router([graphql, *known]), control=control, settings=settings)
