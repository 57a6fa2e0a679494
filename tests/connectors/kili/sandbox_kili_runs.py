"""Runs scenarios of the official Kili SDK in its own environment, and looks at the sandbox they ran against."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from connectors.sandbox import serve

ROOT = Path(__file__).resolve().parents[3]
SDKS = ROOT / ".venv-sdks"
SCRIPT = ROOT / "tests" / "sdks" / "kili_calls.py"
OLD = SDKS / "kili-26.2.0"


def need(path):
    """Skips where the SDKs are not set up, unless the environment says they must be."""
    if not path.exists():
        reason = f"{path.relative_to(ROOT)} is missing: the SDKs are not set up"
        if os.environ.get("LABELGATE_REQUIRE_SDKS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def run(sandbox, folder, *scenarios, **environment):
    """Runs scenarios in one process of the SDK: their results by name, and what the sandbox was asked for."""
    python = need(SDKS / "bin" / "python")
    with serve(sandbox) as url:
        settings = sandbox.settings(url)
        result = subprocess.run(
            [python, SCRIPT, url, settings["api_key"], folder / "cache", *scenarios],
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('{"scenario"')]
    assert [line["scenario"] for line in lines] == list(scenarios), result.stderr
    failed = {line["scenario"]: f"{line['raised']}: {line['message']}" for line in lines if "raised" in line}
    assert not failed, result.stderr
    return {line["scenario"]: line["ok"] for line in lines}


def effects(sandbox, name=None):
    return [(each.name, each.key) for each in sandbox.control.effects if name in (None, each.name)]


def ids(outcome):
    return {listed: [each["assetId"] for each in assets] for listed, assets in outcome.items()}
