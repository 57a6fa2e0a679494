"""Writes docs/settings.md from the settings classes; a test holds the page to them.

Run it as ``PYTHONPATH=. python docs/settings_page.py``.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from pathlib import Path
from typing import Any

from connectors.discovery import discover
from gateway.settings import _Sections

PAGE = Path(__file__).with_name("settings.md")

HEAD = """\
# Settings

One TOML file, `labelgate.toml` (or `labelgate --config FILE`, or `LABELGATE_CONFIG`), and environment variables above
it: `LABELGATE_SERVER__PORT=9000` is `port` in `[server]`, `LABELGATE_SOURCES__SCALE_PROD__API_KEY` is `api_key` in
`[sources.scale-prod]`, `LABELGATE_MONGODB_URL` is short for `LABELGATE_MONGODB__URL`. A secret may also be written as
`"env:NAME"`, `"${NAME}"` or `"file:/run/secrets/name"`. Errors name the file (or the variable), the key and the reason;
an unknown key is an error. `labelgate check` looks at all of it.

```toml
[server]
port = 8000

[sources.whales]
platform = "aplose"
url = "https://aplose.example.org"
username = "gateway"
password = "env:APLOSE_PASSWORD"
sync_every = 600
```
"""


SOURCES = """
## `[sources.<name>]`

Names have up to 63 of `a-z 0-9 . - _`. Every source has `platform`, `enabled` (default `true`) and `sync_every`
(seconds between two syncs by the worker; 300 if unset); the rest belongs to its platform.
"""


def notes(cls: type[Any]) -> dict[str, str]:
    """The docstring that follows each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    out = {}
    for field, after in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            value = getattr(after.value, "value", None)
            if isinstance(value, str):
                out[field.target.id] = " ".join(value.split()).replace("``", "`")
    return out


def table(rows: list[tuple[str, str, str]]) -> str:
    lines = [
        "| key | default | |",
        "|---|---|---|",
        *(f"| `{key}` | {default} | {note} |" for key, default, note in rows),
    ]
    return "\n".join(lines) + "\n"


def shown(default: Any) -> str:
    return "" if default is None else f"`{default}`"


def page() -> str:
    parts = [HEAD]
    for name, field in _Sections.model_fields.items():
        cls = field.annotation
        fields = getattr(cls, "model_fields", None)
        if cls is None or fields is None:
            continue
        told = notes(cls)
        rows = [
            (key, "see below" if one.default_factory else shown(one.default), told.get(key, ""))
            for key, one in fields.items()
        ]
        rows = [(key, "" if default == "see below" else default, note) for key, default, note in rows]
        parts += [f"\n## `[{name}]`\n", table(rows)]
    parts.append(SOURCES)
    for connector in discover().values():
        told = notes(connector.settings)
        rows = []
        for one in dataclasses.fields(connector.settings):
            default = "required" if one.default is dataclasses.MISSING else shown(one.default)
            rows.append((one.name, default, told.get(one.name, "")))
        if rows:
            parts += [f"\n### {connector.name}\n", table(rows)]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


if __name__ == "__main__":
    PAGE.write_text(page())
