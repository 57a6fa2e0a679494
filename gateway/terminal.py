"""What people see in a terminal: progress bars on stderr, tables on stdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from connectors.documents import Page
from gateway.engine import Watcher
from gateway.store.writer import Counts

WORDS = ("created", "updated", "unchanged", "deleted")


@contextmanager
def progress(title: str, *, shown: bool = True) -> Iterator[Watcher]:
    """A progress bar for one run: bytes or records done, and documents by what became of them."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[documents]:>9,} documents"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not shown, transient=not console.is_terminal) as bars:
        task = bars.add_task(title, total=None, documents=0)
        seen = 0

        def watch(page: Page, counts: Counts) -> None:
            nonlocal seen
            seen += sum(getattr(counts, word).total() for word in WORDS)
            bars.update(task, completed=page.done, total=page.total, documents=seen)

        yield watch
        bars.update(task, total=1, completed=1)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        right = bool(rows) and isinstance(rows[0][number], int)
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console = Console()
    console.print(table, width=None if console.is_terminal else 160)


def print_run(run: Mapping[str, Any], skipped: Sequence[Mapping[str, Any]] = ()) -> None:
    """One run: what became of each kind of document, and the records that were skipped."""
    kinds = run.get("kinds", {})
    rows = [[kind, *(int(kinds[kind].get(word, 0)) for word in WORDS)] for kind in sorted(kinds)]
    took = (run["finished_at"] - run["started_at"]).total_seconds()
    records = run.get("progress", {}).get("records", 0)
    title = f"{run['source']}: {run['state']}, {records:,} records in {took:.1f} s"
    print_table(["", *WORDS], rows or [["nothing", 0, 0, 0, 0]], title=title)
    if run.get("error"):
        Console().print(f"error: {run['error']['message']}", markup=False)
    if run["counts"]["skipped"]:
        Console().print(f"{run['counts']['skipped']:,} skipped:", markup=False)
        for record in skipped:
            Console().print(f"  {describe(record)}", markup=False, soft_wrap=True)
        if len(skipped) < run["counts"]["skipped"]:
            Console().print("  … `labelgate runs --skipped` lists more", markup=False)


def describe(record: Mapping[str, Any]) -> str:
    """A skipped record in one line: where, which field, why."""
    field = f" [{record['field']}]" if record.get("field") else ""
    return f"{record.get('where') or record.get('external_id') or '?'}{field}: {record['reason']}"
