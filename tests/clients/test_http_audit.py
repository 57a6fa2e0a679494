"""The audits of npm graphql-http, SHOULDs included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.edge.conftest import Served, filled, served  # noqa: F401 - fixtures


async def test_all_audits_pass(node: Callable[..., Any], served: Served) -> None:  # noqa: F811
    """All 61 are ok: none fails, none warns, none is a notice."""
    results = await node("audit.mjs", f"{served.url}/graphql")
    assert [r for r in results if r["status"] != "ok"] == []
    assert len(results) == 61
