"""Code generators run clean on our schema: relay-compiler, and Python's ariadne-codegen and gql in a venv of their own."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from tests.clients.conftest import NODE_MODULES
from tests.edge.conftest import Served, filled, served  # noqa: F401 - fixtures

PYTHON = Path(os.environ.get("LABELGATE_PYTHON_CLIENTS", Path(__file__).parent / ".venv")) / "bin" / "python"

FRAGMENTS = """
export const List = graphql`
  fragment list_query on Query @argumentDefinitions(count: {type: "Int", defaultValue: 10}, cursor: {type: "String"})
  @refetchable(queryName: "listPaginationQuery") {
    tasks(first: $count, after: $cursor, where: {status: {eq: PENDING}}) @connection(key: "list_tasks") {
      edges { node { id ...task_row } }
    }
  }
`;
export const Row = graphql`
  fragment task_row on Task @refetchable(queryName: "taskRowQuery") {
    id status campaign { name } latestAudit { result comments }
  }
`;
export const Page = graphql`query pageQuery { viewer { name } ...list_query }`;
export const Submit = graphql`
  mutation submitMutation($input: SubmitAuditInput!) {
    submitAudit(input: $input) {
      __typename
      ... on AuditSubmitted { audit { id task { ...task_row } } }
      ... on UserError { code message }
    }
  }
`;
export const Live = graphql`
  subscription liveSubscription { taskChanged { ...task_row } }
`;
"""


async def run(*command: str, cwd: Path, seconds: float = 120) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), seconds)
    assert process.returncode == 0, out.decode()[-4000:]
    return out.decode()


async def write_schema(served: Served, path: Path) -> None:  # noqa: F811
    """As clients get it: by introspection, which federation's directives are no part of."""
    data = await served.data(get_introspection_query(input_value_deprecation=True))
    await asyncio.to_thread(path.write_text, print_schema(build_client_schema(data)))


async def test_relay_compiler(served: Served, tmp_path: Path) -> None:  # noqa: F811
    """Refetchable and paginated fragments, a mutation and a subscription compile."""
    compiler = NODE_MODULES / "relay-compiler" / "cli.js"
    if not compiler.exists():
        pytest.skip("run `make clients` first")
    await write_schema(served, tmp_path / "schema.graphql")
    (tmp_path / "src").mkdir()
    files = FRAGMENTS.strip().split("export const ")
    names = {"List": "list", "Row": "task", "Page": "page", "Submit": "submit", "Live": "live"}
    for text in files[1:]:
        name = names[text.split(" ")[0]]
        (tmp_path / "src" / f"{name}.js").write_text(f"import {{graphql}} from 'relay-runtime';\nexport const {text}")
    config = {"src": "./src", "schema": "./schema.graphql", "language": "javascript", "eagerEsModules": True}
    (tmp_path / "relay.config.json").write_text(json.dumps(config))
    (tmp_path / "package.json").write_text("{}")
    await run("node", str(compiler), "relay.config.json", cwd=tmp_path)
    made = {path.name for path in (tmp_path / "src" / "__generated__").iterdir()}
    assert {"listPaginationQuery.graphql.js", "taskRowQuery.graphql.js", "submitMutation.graphql.js"} <= made


OPERATIONS = """
query PageOfTasks($first: Int, $after: String, $where: TaskWhere) {
  tasks(first: $first, after: $after, where: $where) { nodes { id status campaign { name } } pageInfo { endCursor } }
}
mutation Submit($input: SubmitAuditInput!) {
  submitAudit(input: $input) { __typename ... on AuditSubmitted { audit { id } } ... on UserError { code message } }
}
subscription TaskChanged { taskChanged { id status } }
"""
CODEGEN = """
schema: schema.graphql
documents: queries.graphql
generates:
  types.ts:
    plugins: [typescript-operations]
    config: {scalars: {DateTime: string, JSON: unknown}}
"""


async def test_graphql_codegen(served: Served, tmp_path: Path) -> None:  # noqa: F811
    """Types for operations are generated, and TypeScript takes them in its strict mode."""
    generator = NODE_MODULES / "@graphql-codegen" / "cli"
    if not generator.is_dir():
        pytest.skip("run `make clients` first")
    await write_schema(served, tmp_path / "schema.graphql")
    (tmp_path / "queries.graphql").write_text(OPERATIONS)
    (tmp_path / "codegen.yml").write_text(CODEGEN)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES.resolve())
    await run("npx", "--no-install", "graphql-codegen", "--config", "codegen.yml", cwd=tmp_path)
    await run("npx", "--no-install", "tsc", "--noEmit", "--strict", "types.ts", cwd=tmp_path)
    assert "TaskChangedSubscription" in (tmp_path / "types.ts").read_text()


GQL = """
import asyncio, json, sys
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.websockets import WebsocketsTransport

async def main(url):
    async with Client(transport=AIOHTTPTransport(url), fetch_schema_from_transport=True) as session:
        query = gql("query($n: Int) { tasks(first: $n) { totalCount nodes { id status } pageInfo { endCursor } } }")
        query.variable_values = {"n": 2}
        page = await session.execute(query)
    async with Client(transport=WebsocketsTransport(url.replace("http", "ws", 1))) as session:
        async for viewer in session.subscribe(gql("query { viewer { name } }")):
            pass
    print(json.dumps([page["tasks"]["totalCount"], len(page["tasks"]["nodes"]), viewer["viewer"]["name"]]))

asyncio.run(main(sys.argv[1]))
"""


def python() -> str:
    if not PYTHON.exists():
        pytest.skip("run `make clients` first: it makes a virtual environment for Python clients")
    return str(PYTHON)


async def test_gql(served: Served, tmp_path: Path) -> None:  # noqa: F811
    """Python's gql fetches the schema, pages over HTTP, and asks over a WebSocket."""
    (tmp_path / "ask.py").write_text(GQL)
    out = await run(python(), "ask.py", f"{served.url}/graphql", cwd=tmp_path)
    assert json.loads(out.strip().splitlines()[-1]) == [12, 2, "anonymous"]


USE = """
import asyncio, sys
from graphql_client import Client

async def main(url):
    page = await Client(url).page_of_tasks(first=3)
    print(len(page.tasks.nodes), page.tasks.nodes[0].campaign.name)

asyncio.run(main(sys.argv[1]))
"""


async def test_ariadne_codegen(served: Served, tmp_path: Path) -> None:  # noqa: F811
    """A typed Python client is generated and used."""
    await write_schema(served, tmp_path / "schema.graphql")
    (tmp_path / "queries.graphql").write_text(OPERATIONS)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.ariadne-codegen]\nschema_path = "schema.graphql"\nqueries_path = "queries.graphql"\n'
    )
    await run(python(), "-m", "ariadne_codegen", cwd=tmp_path)
    (tmp_path / "use.py").write_text(USE)
    out = await run(python(), "use.py", f"{served.url}/graphql", cwd=tmp_path)
    assert out.split() == ["3", "Reef", "fish"]
