"""docs/clients.md: its GraphQL is valid, its shell and Python blocks run against a served gateway."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import parse, validate

from schema.build import build
from tests.clients.test_codegen import python, run
from tests.edge.conftest import Served, filled, served  # noqa: F401 - fixtures

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")
HERE = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(blocks("graphql"))))
def test_graphql_blocks_are_valid(number: int) -> None:
    """Each operation of the page fits the schema."""
    assert validate(build()._schema, parse(blocks("graphql")[number])) == []


def test_the_page_has_blocks() -> None:
    """So that the other tests cannot pass on nothing."""
    assert {language: len(blocks(language)) for language in ("graphql", "bash", "python")} == {
        "graphql": 3,
        "bash": 2,
        "python": 1,
    }


async def test_curl_blocks_run(served: Served, tmp_path: Path) -> None:  # noqa: F811
    """Each curl command answers data."""
    for block in blocks("bash"):
        out = await run("bash", "-c", block.replace(HERE, served.url), cwd=tmp_path)
        assert "errors" not in json.loads(out), out


async def test_python_block_runs(served: Served, tmp_path: Path) -> None:  # noqa: F811
    """The pages of gql are all tasks."""
    (tmp_path / "ask.py").write_text(blocks("python")[0].replace(HERE, served.url))
    assert (await run(python(), "ask.py", cwd=tmp_path)).strip().endswith("12")
