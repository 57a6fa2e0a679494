"""Reads Scale files for tests, and takes what came apart."""

import asyncio
import io
import json
import os
from pathlib import Path

from connectors.contract import ImportOptions, Input
from connectors.documents import Kind
from connectors.scale import CONNECTOR

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("LABELGATE_SAMPLES", ROOT.parent / "shared" / "samples")) / "scale"
OWN = ROOT / "connectors" / "scale" / "samples"


def named(data, name="f.json", *, sized=True):
    data = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
    return Input(name, lambda: io.BytesIO(data), len(data) if sized else None)


def of_path(path):
    return Input(path.name, lambda: path.open("rb"), path.stat().st_size)


def pages(*inputs, campaign=None):
    async def collect():
        return [page async for page in CONNECTOR.read(inputs, ImportOptions(campaign=campaign))]

    return asyncio.run(collect())


def documents(*inputs, campaign=None):
    return [document for page in pages(*inputs, campaign=campaign) for document in page.documents]


def skipped(*inputs):
    return [skip for page in pages(*inputs) for skip in page.skipped]


def of_kind(kind, found):
    return [document for document in found if document.kind is kind]


def one(kind, found):
    (document,) = of_kind(kind, found)
    return document


def counts(found):
    return {kind.value: len(of_kind(kind, found)) for kind in Kind if of_kind(kind, found)}


def task(**fields):
    """A completed task of no project; fields override."""
    whole = {
        "task_id": "67c6a0005ca1e00000000001",
        "created_at": "2025-03-04T06:40:00.000Z",
        "completed_at": "2025-03-04T08:00:00.000Z",
        "type": "imageannotation",
        "status": "completed",
        "params": {},
    }
    return whole | fields
