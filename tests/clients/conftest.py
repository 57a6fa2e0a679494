"""Node's clients: installed by ``make clients`` into a folder of their own, and skipped where they are not."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NODE_MODULES = Path(os.environ.get("LABELGATE_CLIENTS", HERE)) / "node_modules"


@pytest.fixture
def node() -> Callable[..., Any]:
    """``await node("audit.mjs", url)``: what the script printed, as JSON."""
    if not (NODE_MODULES / "graphql-http").is_dir():
        pytest.skip("run `make clients` first: it installs the npm packages")

    async def run(script: str, *arguments: str, seconds: float = 60) -> Any:
        # Node looks for packages beside the script, so it runs where they are.
        place = NODE_MODULES.parent / script
        if place.parent != HERE:
            place.write_text((HERE / script).read_text())
        process = await asyncio.create_subprocess_exec(
            "node", str(place), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), seconds)
        assert process.returncode == 0, err.decode()[-4000:] + out.decode()[-2000:]
        return json.loads(out)

    return run
