"""Apollo Federation: we compose beside another subgraph, and a gateway joins both in few requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.edge.conftest import Served, filled, served  # noqa: F401 - fixtures


async def test_composition_and_a_query_across(
    node: Callable[..., Any],
    served: Served,  # noqa: F811
    tmp_path: Path,
) -> None:
    """No composition error; three invoices' tasks are one request to us, and their campaigns' budgets one more."""
    sdl = (await served.data("{ _service { sdl } }"))["_service"]["sdl"]
    (tmp_path / "labelgate.graphql").write_text(sdl)
    found = await node("federation.mjs", f"{served.url}/graphql", str(tmp_path / "labelgate.graphql"))
    assert found["composition"] == []
    assert found["result"].get("errors") is None
    tasks = [invoice["tasks"][0] for invoice in found["result"]["data"]["invoices"]]
    assert [task["externalId"] for task in tasks] == ["t1", "t2", "t3"]
    assert {(task["campaign"]["name"], task["campaign"]["budget"]) for task in tasks} == {("Reef fish", 1000)}
    assert sorted(found["asked"]) == ["invoices", "invoices", "labelgate"]
