"""Plugs compiled execution into an edge whose gateway does not do so itself yet: the very lines it needs."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.edge import Edge
from gateway.operations import Answer, Operations, Parameters, Prepared
from schema.build import build
from schema.compiled import Plans
from schema.context import Context


def plug(edge: Edge) -> Plans:
    plans = Plans(build())
    operations: Operations = edge.operations
    ordinary = operations.run

    async def run(prepared: Prepared, parameters: Parameters, context: Context) -> Answer:
        cost = operations.admit(prepared, parameters.variables, context.viewer)
        async with asyncio.timeout(10):
            data = await plans.execute(
                parameters.query,
                parameters.operation_name,
                prepared.document,
                prepared.operation,
                parameters.variables,
                context,
            )
        if data is None:
            return await ordinary(prepared, parameters, context)
        body: dict[str, Any] = {"data": data, "extensions": {"cost": {"requested": cost, "limit": 50_000}}}
        return Answer(body, started=True)

    operations.run = run  # type: ignore[method-assign]
    return plans
