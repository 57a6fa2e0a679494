"""What runs labelgate: pins, Makefile, image and compose file agree with each other and with the code."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway.settings import load

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(path: str) -> dict[str, str]:
    """``name==version`` lines; anything else is a mistake."""
    found = {}
    for line in (ROOT / path).read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)", line).groups()  # type: ignore[union-attr]
            found[canonicalize_name(name)] = version
    return found


def test_every_dependency_is_pinned_within_its_range() -> None:
    """constraints.txt has all that pyproject.toml asks for, in versions it allows, and no installer."""
    pinned = pins("constraints.txt")
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), text
    assert not pinned.keys() & {"pip", "setuptools", "wheel"}
    assert pins("tests/sdks/constraints.txt")["scaleapi"] == "2.18.4"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_waits_for_a_replica_set_that_is_healthy(compose: dict[str, Any]) -> None:
    """MongoDB is initiated by its health check under the name that the URL says; the others wait for it."""
    mongo, gateway, worker = (compose["services"][name] for name in ("mongo", "gateway", "worker"))
    name = mongo["command"][mongo["command"].index("--replSet") + 1]
    check = mongo["healthcheck"]["test"][-1]
    assert mongo["healthcheck"]["test"][:3] == ["CMD", "mongosh", "--quiet"]
    assert f'rs.initiate({{_id: "{name}", members: [{{_id: 0, host: "mongo:27017"}}]}})' in check
    assert "isWritablePrimary" in check
    for service in (gateway, worker):
        assert service["environment"]["LABELGATE_MONGODB_URL"] == f"mongodb://mongo:27017/labelgate?replicaSet={name}"
        assert service["depends_on"] == {"mongo": {"condition": "service_healthy"}}
        assert service["build"] == "."
        assert service["restart"] == "unless-stopped"
    assert set(compose["volumes"]) == {volume.partition(":")[0] for volume in mongo["volumes"]}


def test_the_services_commands_exist(compose: dict[str, Any]) -> None:
    """What compose and image run are commands of ours, with options that they have."""
    from click.testing import CliRunner

    from gateway.cli import main

    image = (ROOT / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["labelgate"]' in image
    assert 'CMD ["serve", "--host", "0.0.0.0"]' in image
    for name in ("gateway", "worker"):
        command, *options = compose["services"][name]["command"]
        shown = CliRunner().invoke(main, [command, "--help"])
        assert shown.exit_code == 0, shown.output
        assert all(option in shown.output for option in options if option.startswith("--"))


def test_the_settings_file_lands_where_the_image_looks(compose: dict[str, Any]) -> None:
    """The mounted file is labelgate.toml in the image's working directory; a missing file is an error of Docker's."""
    folder = re.findall(r"^WORKDIR (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    for name in ("gateway", "worker"):
        (mount,) = compose["services"][name]["volumes"]
        assert mount["target"] == f"{folder}/labelgate.toml"
        assert mount["read_only"]
        assert not mount["bind"]["create_host_path"]


def test_the_url_of_compose_is_a_setting(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The variables that compose sets are understood."""
    monkeypatch.chdir(tmp_path)
    for name, value in compose["services"]["gateway"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.mongodb.url is not None
    assert settings.warnings == ()


def test_the_image_has_what_it_copies() -> None:
    """.dockerignore lets through every path that the Dockerfile copies, and the image runs as nobody special."""
    image = (ROOT / "Dockerfile").read_text()
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for paths in re.findall(r"^COPY (?!--from)(.+) \S+$", image, re.MULTILINE):
        assert set(paths.split()) <= allowed
        assert all((ROOT / path).exists() for path in paths.split())
    assert re.search(r"^USER labelgate$", image, re.MULTILINE)
    assert "|| true" not in image


def test_ci_runs_make_test() -> None:
    """One command checks everything, and stops at the first failure."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert re.search(r"^make test$", text, re.MULTILINE)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_make_help_lists_every_target() -> None:
    """``make help`` names all targets, and every target's commands can be shown."""
    make = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.+)$", make, re.MULTILINE)
    assert declared is not None
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # run by make or not
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, env=outside, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in shown.splitlines()} == set(declared[1].split())
