"""The commands around live platforms: sync now, work until told to stop, look after the audits on their way."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping
from typing import Any

import click

from gateway import audits
from gateway.commands import as_plain, skipped_of
from gateway.imports import ImportRefused
from gateway.log import configure
from gateway.outbox import Outbox
from gateway.runtime import live_sources, open_store
from gateway.settings import Settings, load
from gateway.store.leases import LeaseHeld
from gateway.store.store import Store
from gateway.sync import LiveSource
from gateway.sync import sync as sync_source
from gateway.terminal import print_run, print_table, progress
from gateway.worker import Worker
from schema.ports import Outcome, Verdict, Viewer

OPERATOR = Viewer(name="command line", scopes=frozenset({"admin"}))


async def sync(config: str | None, names: tuple[str, ...], *, full: bool, as_json: bool) -> str:
    """Syncs the named sources (all that can be spoken to, if none) one after another; gives the worst state."""
    settings = load(config)
    _known(settings, names)
    worst = "SUCCEEDED"
    runs: list[dict[str, Any]] = []
    async with open_store(settings) as store, live_sources(settings, names or None) as live:
        if not live:
            raise ImportRefused("no source in the settings can be synced; add a table [sources.<name>]")
        for source in live.values():
            run = await _sync_one(store, source, full=full, shown=not as_json)
            worst = max(worst, run["state"], key=["SUCCEEDED", "PARTIAL", "CANCELED", "FAILED"].index)
            skipped = await skipped_of(store, run["_id"], 20)
            runs.append(as_plain(run, skipped))
            if not as_json:
                print_run(run, skipped)
    if as_json:
        click.echo(json.dumps(runs, indent=2, default=str))
    return worst


async def _sync_one(store: Store, source: LiveSource, *, full: bool, shown: bool) -> Mapping[str, Any]:
    with progress(f"{source.connector.title} → {source.name}", shown=shown) as watch:
        try:
            return (await sync_source(store, source, full=full, watch=watch)).run
        except LeaseHeld as held:
            raise ImportRefused(f"{source.name} is being synced by {held.owner} right now") from None


def _known(settings: Settings, names: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in settings.sources]
    if unknown:
        there = ", ".join(sorted(settings.sources)) or "none"
        raise ImportRefused(f"there is no source {', '.join(unknown)} in the settings; there are: {there}")


async def work(config: str | None) -> None:
    """Syncs what is due and delivers audits until SIGINT or SIGTERM."""
    settings = load(config)
    configure(level=settings.log.level, format=settings.log.format, known_secrets=settings.secrets)
    for warning in settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    async with open_store(settings) as store, live_sources(settings) as live:
        wanted = settings.worker
        outbox = Outbox(store, live, lease_seconds=wanted.audit_lease_seconds)
        worker = Worker(store, live, poll=wanted.poll_seconds, lease_seconds=wanted.sync_lease_seconds, outbox=outbox)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, worker.stop)
        click.echo(f"working for {', '.join(live) or 'no live source'}   (Ctrl-C ends)", err=True)
        await worker.run()


# --- audits -----------------------------------------------------------------------------------------------------------

_QUEUE = ("PENDING", "SENDING")
_FAILURES = ("REFUSED", "FAILED")


async def list_audits(config: str | None, source: str | None, *, failures: bool, limit: int, as_json: bool) -> None:
    """The audits on their way, or those that did not get there, oldest first."""
    where: dict[str, Any] = {"origin": "GATEWAY", "delivery.state": {"$in": list(_FAILURES if failures else _QUEUE)}}
    if source is not None:
        where["source"] = source
    async with open_store(load(config)) as store:
        cursor = store.db["audits"].find(where, sort=[("audited_at", 1), ("_id", 1)], limit=limit)
        found = [audit async for audit in cursor]
        states = await store.db["audits"].find({"origin": "GATEWAY"}, {"delivery.state": 1}).to_list(None)
    counts: dict[str, int] = {}
    for audit in states:
        counts[audit["delivery"]["state"]] = counts.get(audit["delivery"]["state"], 0) + 1
    if as_json:
        click.echo(json.dumps({"states": counts, "audits": [_plain(audit) for audit in found]}, indent=2, default=str))
        return
    rows = []
    for audit in found:
        delivery = audit["delivery"]
        problem = (delivery.get("last_error") or {}).get("message")
        rows.append([audit["_id"], audit["task"], audit["result"], delivery["state"], delivery["attempts"], problem])
    print_table(["audit", "task", "result", "state", "attempts", "last problem"], rows)
    click.echo("all audits made here: " + (", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "none"))


def _plain(audit: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("task", "source", "result", "comments", "audited_at", "external_id", "delivery")
    delivery = {k: v for k, v in audit["delivery"].items() if k not in ("before", "lease")}
    return {"id": audit["_id"]} | {key: audit.get(key) for key in keys} | {"delivery": delivery}


async def retry(config: str | None, ids: tuple[str, ...], *, everything: bool) -> int:
    """Queues audits again; gives how many could not be."""
    async with open_store(load(config)) as store:
        if everything:
            where = {"origin": "GATEWAY", "delivery.state": {"$in": list(_FAILURES)}}
            ids = tuple([audit["_id"] async for audit in store.db["audits"].find(where, {"_id": 1})])
        outcomes = [await audits.retry(store, id_, OPERATOR) for id_ in ids]
    return _told(ids, outcomes, "queued again")


async def cancel(config: str | None, ids: tuple[str, ...]) -> int:
    """Withdraws audits; gives how many could not be."""
    async with open_store(load(config)) as store:
        outcomes = [await audits.cancel(store, id_, OPERATOR) for id_ in ids]
    return _told(ids, outcomes, "canceled")


def _told(ids: tuple[str, ...], outcomes: list[Outcome], word: str) -> int:
    for id_, outcome in zip(ids, outcomes, strict=True):
        done = outcome.verdict is Verdict.DONE
        click.echo(f"{id_}: {word if done else outcome.message}", err=not done)
    return sum(outcome.verdict is not Verdict.DONE for outcome in outcomes)
