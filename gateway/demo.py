"""The demo: sample exports and live platforms into MongoDB, one question across all of them, an audit that travels."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from connectors.contract import Connector
from connectors.discovery import discover, sample_files
from gateway.app import EVERYTHING
from gateway.demo_live import judge, miniatures, sync_all
from gateway.imports import gathered, run_import
from gateway.runtime import open_store
from gateway.serving import serve_store
from gateway.settings import load
from gateway.store.store import Store
from gateway.terminal import print_table, progress
from gateway.worker import Worker
from schema.build import build
from schema.context import Context
from schema.ports import Viewer


def question(platforms: Sequence[str]) -> str:
    """What waits for review, everywhere, with an example of each platform; and what was rejected."""
    examples = "\n".join(
        f'  {name}: tasks(where: {{ platform: {{ eq: "{name}" }}, reviewStatus: {{ eq: NOT_REVIEWED }} }}, first: 1) '
        "{ ...waiting }"
        for name in platforms
    )
    return f"""\
query WhatWaitsForReview {{
  everywhere: tasks(where: {{ reviewStatus: {{ eq: NOT_REVIEWED }} }}) {{ totalCount }}
{examples}
  rejected: audits(where: {{ result: {{ eq: REJECTED }} }}, first: 2) {{
    totalCount
    nodes {{ source {{ name }} label task {{ assetName }} }}
  }}
}}
fragment waiting on TaskConnection {{
  totalCount
  nodes {{ campaign {{ name }} assetName status labels }}
}}"""


async def demo(config: str | None, *, once: bool, port: int) -> None:
    """Imports, shows a table and an answer, and (unless ``once``) serves until Ctrl-C."""
    began = time.monotonic()
    settings = load(config)
    console = Console()
    viewer = Viewer(name="demo", scopes=EVERYTHING)
    async with open_store(settings) as store, miniatures() as live:
        for connector in discover().values():
            if connector.samples and connector.read:
                await _import_samples(store, connector)
        await sync_all(store, live)
        await _summary(store)
        await _answer(store, console, viewer)
        await judge(store, live, viewer)
        console.print(f"ready after {time.monotonic() - began:.1f} s", style="dim")
        if not once:
            worker = Worker(store, {name: miniature.source for name, miniature in live.items()})
            working = asyncio.create_task(worker.run())
            try:
                await serve_store(store, settings, "127.0.0.1", port)
            finally:
                worker.stop()
                await working


async def _import_samples(store: Store, connector: Connector) -> None:
    paths = [str(path) for path in sample_files(connector)]
    with gathered(paths) as (inputs, problems), progress(f"{connector.title} samples") as watch:
        await run_import(store, connector, inputs, source=f"{connector.name}-demo", problems=problems, watch=watch)


async def _summary(store: Store) -> None:
    collections = ("campaigns", "assets", "tasks", "submissions", "annotations", "audits", "annotators", "comments")
    rows: list[Sequence[Any]] = []
    async for source in store.db["sources"].find({}, sort=[("_id", 1)]):
        where = {"source": source["_id"], "deleted_at": None}
        counts = await asyncio.gather(*(store.db[name].count_documents(where) for name in collections))
        rows.append([source["_id"], source["platform"], *counts])
    print_table(["source", "platform", *collections], rows, title="What MongoDB holds now")


async def _answer(store: Store, console: Console, viewer: Viewer) -> None:
    context = Context(reader=store.reader, viewer=viewer)
    known = {source["platform"] for source in await store.reader.sources(None)}
    text = question(sorted(known))
    result = await build().execute(text, context_value=context)
    if result.errors:
        raise result.errors[0]
    console.print("\nOne question across all of them:", style="bold")
    click.echo(text)
    click.echo(json.dumps(result.data, indent=1, ensure_ascii=False))
