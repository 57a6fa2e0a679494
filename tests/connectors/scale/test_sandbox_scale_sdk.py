"""The Scale sandbox against Scale's own SDK, unmodified, in the SDKs' own environment."""

import hashlib
import ipaddress
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.sandbox import serve
from connectors.scale.sandbox import create

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-sdks" / "bin" / "python"
OWN_TESTS = ROOT / ".venv-sdks" / "src" / "scaleapi-2.18.4" / "tests" / "test_client.py"
OWN_TESTS_SHA256 = "73ded0e427be4b57179b03f4899c4aa64b5cec950acf84129e757939a2a7b402"
HELPERS = ROOT / "tests" / "sdks"


def need(path):
    """Skips where the SDKs are not set up, unless the environment says they must be."""
    if not path.exists():
        reason = f"{path.relative_to(ROOT)} is missing: the SDKs are not set up"
        if os.environ.get("LABELGATE_REQUIRE_SDKS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def test_missing_sdks_are_a_failure_where_they_are_required(monkeypatch):
    """Without the SDKs these tests skip with the reason, or fail when the environment demands them."""
    absent = ROOT / ".venv-sdks" / "no such file"
    monkeypatch.setenv("LABELGATE_REQUIRE_SDKS", "1")
    with pytest.raises(pytest.fail.Exception, match="is missing"):
        need(absent)
    monkeypatch.delenv("LABELGATE_REQUIRE_SDKS")
    with pytest.raises(pytest.skip.Exception, match="is missing"):
        need(absent)


def run(arguments, tmp_path, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [need(PYTHON), *arguments],
        cwd=tmp_path,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_sdks_own_tests_pass_unmodified(tmp_path):
    """All 48 tests of scaleapi 2.18.4 pass against the sandbox, and the file is the one of its source distribution."""
    assert hashlib.sha256(need(OWN_TESTS).read_bytes()).hexdigest() == OWN_TESTS_SHA256
    # The distribution leaves out the picture that one test uploads.
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_image.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    pytest_arguments = ["-q", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-p", "scale_plugin"]
    sandbox = create()
    with serve(sandbox) as url:
        environment = {
            "PYTHONPATH": str(HELPERS),
            "LABELGATE_SANDBOX_URL": sandbox.settings(url)["url"],
            "SCALE_TEST_API_KEY": sandbox.settings(url)["api_key"],
        }
        result = run(["-m", "pytest", *pytest_arguments, OWN_TESTS], tmp_path, **environment)
    assert result.returncode == 0, result.stdout
    assert "48 passed" in result.stdout.splitlines()[-1]
    assert "failed" not in result.stdout.splitlines()[-1]


def refused(kind, code, text):
    return [kind, code, text]


EXPECTED = {
    "create_project": "Mark it.",
    "get_project": "P 1/2 ä",
    "update_project": 1,
    "projects": ["Bird Counts: cliffs/50% zoom", "Harbour Vessels", "Logbook Pages", "P 1/2 ä"],
    "create_project again": refused("ScaleDuplicateResource", 409, "A project with that name already exists."),
    "create_batch": "in_progress",
    "get_batch": {"a": 1},
    "set_batch_metadata": {"b": 2},
    "finalize_batch": "in_progress",
    "batches": ["B 1/2"],
    "get_batches": ["B 1/2"],
    "create_task": ["completed", "P 1/2 ä", "Mark it.", "u2", ["t"], {}],
    "create_task again": refused("ScaleDuplicateResource", 409, "A task with that unique_id already exists."),
    "create_task without attachment": refused(
        "ScaleInvalidRequest", 400, "Please include an attachment or attachments parameter."
    ),
    "get_task": True,
    "tasks": ["u2", "u1"],
    "get_tasks": ["u2", "u1", "u0"],
    "get_tasks_count": 3,
    "batch_status": {"status": "in_progress", "completed": 3},
    "cancel_task": refused("ScaleInvalidRequest", 400, "Task is completed and cannot be canceled."),
    "update_task_unique_id": "new",
    "update_task_unique_id taken": refused("ScaleDuplicateResource", 409, "A task with that unique_id already exists."),
    "clear_task_unique_id": False,
    "set_task_metadata": {"k": "v"},
    "set_task_metadata empty": {},
    "set_task_tags": ["b", "a"],
    "add_task_tags": ["b", "a", "c"],
    "delete_task_tags": ["a", "c"],
    "set_task_tags empty": [],
    "set_task_tags six": refused(
        "ScaleInvalidRequest", 400, 'Parameter is invalid, reason: "tags" must contain at most 5 items'
    ),
    "audit_task": None,
    "audited": ["rejected", ["Look again."], 1],
    "audited again": ["accepted", "rejected"],
    "get_task unknown": refused("ScaleResourceNotFound", 404, "Task with that ID not found."),
    "get_project_template": refused(
        "ScaleInvalidRequest", 400, "Task templates are not supported for imageannotation projects."
    ),
    "get_project_template of texts": {"fields": [{"type": "text", "field_id": "f"}]},
    "upload_file": 5,
    "import_file": "scaledata://",
    "list_teammates": 4,
    "invite_teammates": [["new@example.com", "member"]],
    "update_teammates_role": "admin",
    "create_evaluation_task": {"annotations": []},
    "create_training_task": {"annotations": []},
    "list_studio_assignments": ["dov.peretz@example.org"],
    "add_studio_assignments": ["P 1/2 ä", "Texts"],
    "remove_studio_assignments": ["P 1/2 ä"],
    "create_project_group": 1,
    "update_project_group": ["a@example.com", "b@example.com"],
    "list_project_groups": ["G/1"],
    "assign_studio_batches": ["G/1"],
    "set_studio_batches_priorities": "B 1/2",
    "list_studio_batches": 1,
    "reset_studio_batches_priorities": [None],
}


def test_every_call_of_the_sdk_answers_as_documented(tmp_path):
    """Each call of the fact sheet's table of requests gives what Scale documents, names with slashes included."""
    sandbox = create()
    completed = next(
        task["task_id"]
        for task in sandbox.control.actions["list_tasks"]()
        if task["status"] == "completed" and "audits" not in task and "customer_review_status" not in task
    )
    with serve(sandbox) as url:
        settings = sandbox.settings(url)
        result = run([HELPERS / "scale_calls.py", settings["url"], settings["api_key"], completed], tmp_path)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    everything = said.pop("get_tasks with everything")
    assert said == EXPECTED
    assert [set(task) for task in everything] == [{"task_id", "status", "metadata", "project"}] * 2
    assert [effect.detail["result"] for effect in sandbox.control.effects if effect.name == "audit"] == [
        "rejected",
        "accepted",
    ]


def test_the_sdk_rescues_a_task_that_a_false_500_hid(tmp_path):
    """Over TLS the SDK repeats a POST that got 500 though the task was made, meets 409, and finds the one task."""
    certificate, key = self_signed(tmp_path)
    sandbox = create(tasks=0)
    sandbox.control.inject(status=500, method="POST", path="/v1/task/", when="after", times=1)
    with serve(sandbox, ssl_certfile=str(certificate), ssl_keyfile=str(key)) as url:
        settings = sandbox.settings(url)
        assert settings["url"].startswith("https://127.0.0.1:")
        arguments = [HELPERS / "scale_calls.py", settings["url"], settings["api_key"], "-", "rescue"]
        result = run(arguments, tmp_path, REQUESTS_CA_BUNDLE=str(certificate))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"unique_id": "only-once", "count": 1}
    assert sandbox.control.requests["POST /v1/task/imageannotation"] == 2
    assert sandbox.control.count("create") == 1


def self_signed(folder):
    """A certificate for 127.0.0.1, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scale sandbox")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file
