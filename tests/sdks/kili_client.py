"""What every scenario needs: a client of the official SDK, and the sandbox's control surface over HTTP."""

from __future__ import annotations

import os
import sys
import time
import warnings

import requests

os.environ["KILI_DISABLE_TQDM"] = "true"
warnings.simplefilter("ignore")

from kili.client import Kili  # noqa: E402

URL, KEY, CACHE = sys.argv[1:4]
ENDPOINT = f"{URL}/api/label/v2/graphql"
SKY = {"SEA_JOB": {"categories": [{"name": "CALM"}]}}
URGENT = {"URGENCY_JOB": {"categories": [{"name": "LOW"}]}}


def client(key: str = KEY, kind: type = Kili) -> Kili:
    return kind(api_key=key, api_endpoint=ENDPOINT, graphql_client_params={"graphql_schema_cache_dir": CACHE})


def control(target: str, verb: str = "POST", /, **body: object) -> object:
    answer = requests.request(verb, f"{URL}/_sandbox/{target}", json=body, timeout=10)
    answer.raise_for_status()
    return answer.json()


def act(name: str, **arguments: object) -> object:
    return control(f"actions/{name}", **arguments)


def harbour() -> str:
    return act("overview")["projects"][0]["id"]


def repairs() -> str:
    return act("overview")["projects"][1]["id"]


def deliveries() -> str:
    return act("overview")["projects"][2]["id"]


def with_status(project: str, status: str) -> list[str]:
    return [asset["id"] for asset in act("list_assets", project=project, status=status)]


def outcome(call) -> dict:
    """What a call gave or raised, and how long it took."""
    begin = time.monotonic()
    try:
        given = {"ok": call()}
    except Exception as error:  # noqa: BLE001  (the tests want to see any)
        given = {"raised": type(error).__name__, "message": str(error)}
    return given | {"seconds": round(time.monotonic() - begin, 3)}
