"""Kili in miniature: the official SDK works against it unmodified, with its checks on (fact sheet §18).

``create`` builds it; ``connectors.sandbox.serve`` puts it on a socket. Not seen by anybody outside, and therefore
chosen here: whatever the fact sheet marks as inference. ``Options`` turns the guesses that matter.
"""

from __future__ import annotations

from typing import Any

from connectors.kili.sandbox import actions as sandbox_actions
from connectors.kili.sandbox import seed as sandbox_seed
from connectors.kili.sandbox.http import PREFIX, application
from connectors.kili.sandbox.platform import Options, Platform
from connectors.sandbox import Control, Sandbox


def create(seed: int = 0, assets: int = 40, **options: Any) -> Sandbox:
    """A seeded platform with ``assets`` assets in three projects; ``options`` are the fields of ``Options``."""
    control = Control(seed)
    platform = Platform(seed, control, Options(**options))
    sandbox_seed.seed(platform, seed, assets)
    sandbox_actions.register(platform)
    return Sandbox(name="kili", app=application(platform), control=control, settings=settings)


def settings(url: str) -> dict[str, Any]:
    """The source's table for a connector that shall reach this server."""
    return {"url": f"{url}{PREFIX}/graphql", "api_key": sandbox_seed.ADMIN_KEY}
