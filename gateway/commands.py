"""What the commands do, apart from parsing their arguments."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from connectors.contract import Connector
from connectors.discovery import discover
from connectors.errors import ConnectorError
from gateway.imports import ImportRefused, gathered, run_import
from gateway.runtime import live_sources, open_store
from gateway.settings import load
from gateway.store.store import Store
from gateway.sync import LiveSource
from gateway.terminal import describe, print_run, print_table, progress


def connector_named(name: str) -> Connector:
    """The connector of that name. Raises ``ImportRefused`` with the names there are."""
    found = discover()
    if name not in found:
        raise ImportRefused(f"there is no platform {name!r}; there are: {', '.join(found)}")
    return found[name]


async def ingest(
    config: str | None,
    platform: str,
    paths: Sequence[str],
    source: str | None,
    campaign: str | None,
    options: Mapping[str, str],
    as_json: bool,
) -> str:
    """Imports files and says how it went; gives the state of the run."""
    connector = connector_named(platform)
    settings = load(config)
    gc.set_threshold(100_000, 20, 20)  # millions of small objects, none in a cycle: looking for some costs a fifth
    with gathered(paths) as (inputs, problems):
        async with open_store(settings) as store:
            with progress(f"{connector.title} → {source or platform}", shown=not as_json) as watch:
                result = await run_import(
                    store,
                    connector,
                    inputs,
                    source=source or platform,
                    campaign=campaign,
                    options=options,
                    problems=problems,
                    watch=watch,
                )
            skipped = await skipped_of(store, result.run["_id"], 20 if not as_json else 10_000)
    if as_json:
        click.echo(json.dumps(as_plain(result.run, skipped), indent=2, default=str))
    else:
        print_run(result.run, skipped)
    return result.state


async def skipped_of(store: Store, run: str, limit: int) -> list[dict[str, Any]]:
    """The first records that a run skipped, without their payloads."""
    cursor = store.db["skipped_records"].find({"run": run}, {"raw": 0}, sort=[("_id", 1)], limit=limit)
    return [doc async for doc in cursor]


def as_plain(run: Mapping[str, Any], skipped: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A run as the JSON that scripts read."""
    out = {"id": run["_id"]} | {
        name: run.get(name)
        for name in ("source", "mode", "state", "started_at", "finished_at", "counts", "kinds", "progress", "error")
    }
    out["skipped"] = [{k: v for k, v in record.items() if k not in ("_id", "run")} for record in skipped]
    return {name: value.isoformat() + "Z" if hasattr(value, "isoformat") else value for name, value in out.items()}


async def check(config: str | None, as_json: bool) -> bool:
    """Checks settings, MongoDB and sources; True when all is well."""
    settings = load(config)
    lines = [("settings", True, str(settings.file or "defaults"))]
    lines += [("settings", False, warning) for warning in settings.warnings]
    async with open_store(settings) as store, live_sources(settings) as live:
        info = await store.db.client.admin.command("buildInfo")
        hello = await store.db.client.admin.command("hello")
        lines.append(("mongodb", True, f"{info['version']}, replica set {hello.get('setName', '(sharded)')}"))
        for source in live.values():
            lines.append((f"source {source.name}", *await _checked(source)))
        async for known in store.db["sources"].find({"_id": {"$nin": list(live)}}, sort=[("_id", 1)]):
            lines.append((f"source {known['_id']}", True, f"{known['platform']}, imported files"))
    if as_json:
        click.echo(json.dumps([{"what": what, "ok": ok, "detail": detail} for what, ok, detail in lines], indent=2))
    else:
        print_table(["", "", ""], [[what, "ok" if ok else "FAILED", detail] for what, ok, detail in lines])
    return all(ok for _, ok, _ in lines)


async def _checked(source: LiveSource) -> tuple[bool, str]:
    """Asks the platform who we are."""
    try:
        health = await source.platform.check()
    except ConnectorError as problem:
        return False, f"{source.connector.name}: {problem.message}"
    told = [text for text in (health.version, health.account) if text]
    return True, ", ".join([source.connector.name, *told])


def platforms(as_json: bool) -> None:
    """Lists the connectors there are."""
    rows: list[dict[str, Any]] = [
        {
            "platform": connector.name,
            "title": connector.title,
            "files": connector.read is not None,
            "live": connector.open is not None,
            "options": dict(connector.read_options),
        }
        for connector in discover().values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    yes = {True: "yes", False: "no"}
    table = [
        [r["platform"], r["title"], yes[bool(r["files"])], yes[bool(r["live"])], ", ".join(r["options"])] for r in rows
    ]
    print_table(["platform", "", "files", "live", "reader options"], table)


async def runs(config: str | None, source: str | None, limit: int, skipped: bool, as_json: bool) -> None:
    """Lists runs, newest first."""
    async with open_store(load(config)) as store:
        where = {"source": source} if source else {}
        cursor = store.db["sync_runs"].find(where, sort=[("started_at", -1), ("_id", -1)], limit=limit)
        found = [doc async for doc in cursor]
        records = {run["_id"]: await skipped_of(store, run["_id"], 1000) if skipped else [] for run in found}
    if as_json:
        click.echo(json.dumps([as_plain(run, records[run["_id"]]) for run in found], indent=2, default=str))
        return
    rows = []
    for run in found:
        counts = run["counts"]
        rows.append(
            [
                run["started_at"].strftime("%Y-%m-%d %H:%M:%S"),
                run["source"],
                run["mode"],
                run["state"],
                *(int(counts[word]) for word in ("created", "updated", "unchanged", "deleted", "skipped")),
            ]
        )
    print_table(
        ["started (UTC)", "source", "mode", "state", "created", "updated", "unchanged", "deleted", "skipped"], rows
    )
    for record in (record for run in found for record in records[run["_id"]]):
        click.echo(describe(record))
    sys.stdout.flush()
