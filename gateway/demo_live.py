"""The live half of the demo: platforms in miniature on loopback, synced over HTTP, and an audit that travels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
from pydantic import TypeAdapter

from connectors.contract import Connector
from connectors.discovery import discover
from connectors.documents import AuditResult
from connectors.sandbox import Sandbox, load, serve
from gateway.desk import Desk
from gateway.outbox import Outbox
from gateway.store.store import Store
from gateway.sync import LiveSource, sync
from gateway.terminal import progress
from schema.build import build
from schema.context import Context
from schema.ports import Viewer

TURNS: Final = 100

FIND: Final = """\
query Finished($source: String!) {
  tasks(where: { source: { eq: $source }, status: { in: [SUBMITTED, IN_REVIEW, COMPLETED] },
                 reviewStatus: { eq: NOT_REVIEWED } }, first: 1) { nodes { id version assetName } }
}"""
SUBMIT: Final = """\
mutation Judge($input: SubmitAuditInput!) {
  submitAudit(input: $input) {
    __typename
    ... on AuditSubmitted { audit { id delivery { state } task { assetName reviewStatus } } }
    ... on UserError { code message path }
  }
}"""
FOLLOW: Final = """\
query Follow($id: ID!) {
  node(id: $id) { ... on Audit { externalId delivery { state attempts deliveredAt receipt } } }
}"""


@dataclass(frozen=True, slots=True)
class Miniature:
    """A source that speaks to a platform in miniature, and the sandbox behind it."""

    source: LiveSource
    sandbox: Sandbox


@asynccontextmanager
async def miniatures() -> AsyncIterator[Mapping[str, Miniature]]:
    """The platforms that have a sandbox, each served on loopback and opened as a source."""
    async with AsyncExitStack() as stack:
        found = {}
        for connector in discover().values():
            if connector.sandbox is None or connector.open is None:
                continue
            sandbox = load(connector.sandbox)
            url = stack.enter_context(serve(sandbox))
            source = LiveSource(
                name=f"{connector.name}-live", connector=connector, platform=_opened(connector, sandbox.settings(url))
            )
            stack.push_async_callback(source.platform.close)
            found[source.name] = Miniature(source, sandbox)
        yield found


def _opened(connector: Connector, table: Mapping[str, Any]) -> Any:
    assert connector.open is not None
    return connector.open(TypeAdapter(connector.settings).validate_python(dict(table)))


async def sync_all(store: Store, live: Mapping[str, Miniature]) -> None:
    """Syncs every miniature over HTTP, with a progress bar each."""
    for name, miniature in live.items():
        with progress(f"{miniature.source.connector.title} over HTTP → {name}") as watch:
            await sync(store, miniature.source, watch=watch)


async def judge(store: Store, live: Mapping[str, Miniature], viewer: Viewer) -> None:
    """Submits an audit through GraphQL where one can be taken, and follows it until the platform has it."""
    sources = {name: miniature.source for name, miniature in live.items()}
    context = Context(reader=store.reader, viewer=viewer, desk=Desk(store, sources))
    for name, source in sources.items():
        able = source.platform.capabilities
        if AuditResult.ACCEPTED not in able.audit_results or able.audit_target.value not in ("TASK", "SUBMISSION"):
            continue
        tasks = (await _ask(FIND, context, source=name))["tasks"]["nodes"]
        if tasks:
            await _judge_one(store, sources, context, tasks[0], live[name])
            return


async def _judge_one(
    store: Store, sources: Mapping[str, LiveSource], context: Context, task: Mapping[str, Any], at: Miniature
) -> None:
    verdict = {
        "idempotencyKey": f"demo {task['id']} {task['version']}",
        "task": {"id": task["id"]},
        "expectedVersion": task["version"],
        "result": "ACCEPTED",
        "comment": "Looks right.",
    }
    click.secho(f"\nAn audit through GraphQL, for a task of {at.source.connector.title}:", bold=True)
    done = (await _ask(SUBMIT, context, input=verdict))["submitAudit"]
    click.echo(json.dumps(done, indent=1))
    if "audit" not in done:
        return
    before = at.sandbox.control.count()
    outbox = Outbox(store, sources)
    for _ in range(TURNS):
        await outbox.turn()
        context = Context(reader=store.reader, viewer=context.viewer)
        node = (await _ask(FOLLOW, context, id=done["audit"]["id"]))["node"]
        if node["delivery"]["state"] not in ("PENDING", "SENDING"):
            break
        await asyncio.sleep(0.1)
    click.echo(json.dumps(node, indent=1))
    click.echo(f"effects on the platform: {at.sandbox.control.count() - before}")


async def _ask(text: str, context: Context, **variables: Any) -> Any:
    result = await build().execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise result.errors[0]
    return result.data
