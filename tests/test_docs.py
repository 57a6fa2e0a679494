"""What the documentation says is so: queries run, commands and codes and settings exist and are described."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import click
import pytest

from connectors.discovery import discover, sample_files
from gateway.cli import main
from gateway.imports import gathered, run_import
from gateway.store.store import Store
from schema.build import build
from schema.context import Context
from schema.errors import ErrorCode
from schema.ports import Viewer

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
EXAMPLE = re.compile(r"```graphql\n(.*?)```\s*```json\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")


def examples() -> list[Any]:
    found = []
    for page in PAGES:
        for number, (query, answer) in enumerate(EXAMPLE.findall(page.read_text())):
            found.append(pytest.param(query, answer, id=f"{page.name}-{number}"))
    return found


@pytest.fixture
async def demo(store: Store) -> Store:
    """The store of the demo: the samples of every platform, under the names the demo gives them."""
    for connector in discover().values():
        if connector.read and connector.samples:
            with gathered([str(path) for path in sample_files(connector)]) as (inputs, problems):
                await run_import(store, connector, inputs, source=f"{connector.name}-demo", problems=problems)
    return store


def test_there_are_examples() -> None:
    """The README shows at least one query with its answer."""
    assert EXAMPLE.search((ROOT / "README.md").read_text()) is not None


@pytest.mark.parametrize(("query", "answer"), examples())
async def test_examples_answer_as_shown(query: str, answer: str, demo: Store) -> None:
    """Every query that the pages show with an answer gives exactly that answer on the sample data."""
    context = Context(reader=demo.reader, viewer=Viewer(scopes=frozenset({"admin"})))
    result = await build().execute(query, context_value=context)
    assert result.errors is None
    assert result.data == json.loads(answer)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file leads to a file."""
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert broken == []


def test_every_error_code_is_documented() -> None:
    """docs/schema.md explains each code, and no other."""
    text = (ROOT / "docs" / "schema.md").read_text()
    table = text[text.index("| code | meaning |") :].split("\n\n")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)) == {code.value for code in ErrorCode}


def commands(group: click.Group, prefix: str = "") -> list[tuple[str, click.Command]]:
    out: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        out.append((prefix + name, command))
        if isinstance(command, click.Group):
            out += commands(command, f"{prefix}{name} ")
    return out


@pytest.mark.parametrize(("name", "command"), [pytest.param(n, c, id=n) for n, c in commands(main)])
def test_commands_explain_themselves(name: str, command: click.Command) -> None:
    """Each command has help, and each of its options too; and some page of the documentation names it."""
    assert command.help, name
    assert len(command.help) > 20, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
    text = "\n".join(page.read_text() for page in PAGES)
    assert f"labelgate {name}" in text, f"no page names `labelgate {name}`"


def test_the_settings_page_is_the_settings() -> None:
    """docs/settings.md is what docs/settings_page.py writes from the settings classes."""
    page = runpy.run_path(str(ROOT / "docs" / "settings_page.py"))["page"]()
    assert (ROOT / "docs" / "settings.md").read_text() == page
