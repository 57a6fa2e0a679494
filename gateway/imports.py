"""Imports files: finds them, hands them to the platform's reader, and stores what it yields as one run."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from connectors.contract import Connector, ImportOptions, Input
from connectors.documents import Page, SkippedRecord
from gateway import sources
from gateway.engine import RunResult, Watcher, store_pages, utcnow
from gateway.store.leases import held
from gateway.store.store import Store


class ImportRefused(ValueError):
    """The import cannot begin; the message says why."""


def owner() -> str:
    """Who this process is, for leases and logs."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextlib.contextmanager
def gathered(paths: Sequence[str], stdin: BinaryIO | None = None) -> Iterator[tuple[list[Input], list[SkippedRecord]]]:
    """The inputs that paths name (folders in full, ``-`` is standard input), and what cannot be opened."""
    inputs: list[Input] = []
    problems: list[SkippedRecord] = []
    with contextlib.ExitStack() as stack:
        for path in paths:
            if path == "-":
                inputs.append(_spooled(stack, stdin or sys.stdin.buffer))
                continue
            found = Path(path)
            if found.is_dir():
                inside = sorted(p for p in found.rglob("*") if p.is_file() and _wanted(p.relative_to(found)))
                if not inside:
                    problems.append(SkippedRecord(where=path, reason="the folder holds no files"))
                inputs.extend(_file(p, str(p)) for p in inside)
            elif not found.exists():
                problems.append(SkippedRecord(where=path, reason="there is no such file"))
            else:
                inputs.append(_file(found, path))
        yield inputs, problems


def _wanted(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts)


def _file(path: Path, name: str) -> Input:
    size = None
    with contextlib.suppress(OSError):
        size = path.stat().st_size
    return Input(name=name, open=lambda: path.open("rb"), size=size)


def _spooled(stack: contextlib.ExitStack, stream: BinaryIO) -> Input:
    """Standard input can be read once; readers may read twice."""
    spool = stack.enter_context(tempfile.NamedTemporaryFile(prefix="labelgate-"))  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.flush()
    path = Path(spool.name)
    return Input(name="-", open=lambda: path.open("rb"), size=path.stat().st_size)


async def run_import(
    store: Store,
    connector: Connector,
    inputs: Sequence[Input],
    *,
    source: str,
    campaign: str | None = None,
    options: Mapping[str, str] | None = None,
    problems: Iterable[SkippedRecord] = (),
    watch: Watcher | None = None,
) -> RunResult:
    """Reads the inputs into a source.

    Raises ``ImportRefused``, ``SourceTaken`` or ``LeaseHeld``, all before anything is read.
    """
    if connector.read is None:
        raise ImportRefused(f"{connector.title} has no export files that labelgate reads")
    unknown = sorted(set(options or ()) - set(connector.read_options))
    if unknown:
        known = ", ".join(sorted(connector.read_options)) or "none"
        raise ImportRefused(f"{connector.name} has no option {', '.join(unknown)}; it knows: {known}")
    read: Callable[[Sequence[Input], ImportOptions], AsyncIterator[Page]] = connector.read
    await sources.register(store, source, connector.name, connector.capabilities)

    async def pages() -> AsyncIterator[Page]:
        lost = list(problems)
        if lost:
            yield Page(skipped=lost)
        if inputs:
            async for page in read(inputs, ImportOptions(campaign=campaign, options=dict(options or {}))):
                yield page

    async with held(store.db, f"sync:{source}", owner()) as lease:
        result = await store_pages(
            store, pages(), source=source, mode="IMPORT", lease=lease, watch=watch or (lambda page, counts: None)
        )
        await sources.note_run(store, source, result.run, now=utcnow())
    return result
