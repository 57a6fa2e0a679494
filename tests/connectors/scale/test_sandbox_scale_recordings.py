"""The Scale sandbox answers requests that were recorded from Scale as Scale did, where the material is at hand."""

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("LABELGATE_SAMPLES", ROOT.parent / "shared" / "samples")) / "scale"
RECORDED = sorted((SAMPLES / "ruby_vcr_2019").glob("*.json"))
CREATED = [path for path in RECORDED if not path.stem.startswith("task_")]

pytestmark = pytest.mark.skipif(not RECORDED, reason=f"no recordings of Scale in {SAMPLES}")


def exchange(path):
    recorded = json.loads(path.read_text())
    return recorded["request"], recorded["response"]


@pytest.mark.parametrize("path", CREATED, ids=lambda path: path.stem)
def test_a_recorded_creation_is_answered_alike(empty, path):
    """Same status, same fields with the same filled-in parameters, an answer of the same shape."""
    request, response = exchange(path)
    answer = empty.post(f"/task/{request['uri'].rsplit('/', 1)[-1]}", json=request["body"])
    recorded, ours = response["body"], answer.json()
    assert answer.status_code == response["status"] == 200
    # Callbacks to strangers are not sent, so nothing is known of their success.
    assert set(recorded) - {"callback_succeeded"} <= set(ours)
    for name in ("type", "status", "instruction", "params", "is_test", "urgency", "metadata", "processed_attachments"):
        assert ours[name] == recorded[name], name
    assert ("response" in ours) is ("response" in recorded)
    assert set(recorded.get("response", ())) <= set(ours.get("response", ()))
    if isinstance(recorded.get("response", {}).get("annotations"), list):
        assert set(recorded["response"]["annotations"][0]) <= set(ours["response"]["annotations"][0])


@pytest.mark.parametrize("name", ["task_find_invalid", "task_cancel_invalid"])
def test_a_recorded_refusal_is_answered_alike(empty, name):
    """The 404 of an unknown id, word for word."""
    request, response = exchange(SAMPLES / "ruby_vcr_2019" / f"{name}.json")
    path = request["uri"].split("/v1", 1)[1]
    answer = empty.request(request["method"], path, json=request["body"])
    assert (answer.status_code, answer.json()) == (response["status"], response["body"])


def test_recorded_pages_have_our_fields(scale):
    """The lists of 2019 lack only what came later: the token."""
    for name in ("task_list_1", "task_list_2"):
        request, response = exchange(SAMPLES / "ruby_vcr_2019" / f"{name}.json")
        ours = scale.get(request["uri"].split("/v1", 1)[1]).json()
        assert set(ours) - {"next_token"} == set(response["body"])
        assert (ours["limit"], ours["offset"]) == (response["body"]["limit"], response["body"]["offset"])
