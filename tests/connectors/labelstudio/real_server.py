"""Installs Label Studio itself, starts it on loopback with its own data, and runs the shared claims against it.

    python tests/connectors/labelstudio/real_server.py [--serve] [pytest arguments]

``make test-labelstudio`` calls this. The server lives in ``.venv-labelstudio`` (pinned in ``requirements.txt`` beside
this file) and is spoken to over HTTP only; its data directory is temporary. ``--serve`` only serves, until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
VENV = Path(os.environ.get("LABELGATE_LABELSTUDIO_VENV", ROOT / ".venv-labelstudio"))
REQUIREMENTS = HERE / "requirements.txt"
STARTS_WITHIN = 900.0


def install() -> Path:
    """The server's own Python, with exactly the pinned packages; a stamp tells that they are there."""
    python, stamp = VENV / "bin" / "python", VENV / "installed.txt"
    pinned = REQUIREMENTS.read_text()
    if not python.exists() or not stamp.exists() or stamp.read_text() != pinned:
        print(f"installing Label Studio into {VENV} (about a gigabyte, a few minutes)", flush=True)
        venv.create(VENV, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-r", REQUIREMENTS], check=True)
        stamp.write_text(pinned)
    return python


def environment(data: Path) -> dict[str, str]:
    """Nothing but what is meant: the server reads bare names such as HOST and DEBUG, too."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "HOME": str(data),
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_SENTRY_DSN": "",
        "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "SECRET_KEY": secrets.token_hex(24),
    }


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, str]]:
    """Address and legacy token of a fresh server."""
    python = install()
    with tempfile.TemporaryDirectory(prefix="labelstudio-") as folder:
        data, token = Path(folder), secrets.token_hex(20)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [python.with_name("label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1"]
        command += ["--port", str(port), "--data-dir", data, "--log-level", "ERROR", "--enable-legacy-api-token"]
        command += ["--username", "admin@example.org", "--password", secrets.token_urlsafe(12), "--user-token", token]
        with (data / "server.log").open("wb") as log:
            server = subprocess.Popen(command, env=environment(data), stdout=log, stderr=log, cwd=data)
        try:
            _await(server, f"http://127.0.0.1:{port}", token, data / "server.log")
            yield f"http://127.0.0.1:{port}", token
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await(server: subprocess.Popen[bytes], url: str, token: str, log: Path) -> None:
    """Until the port answers to our token: a server that finds its port taken moves on to another."""
    until = time.monotonic() + STARTS_WITHIN
    request = urllib.request.Request(f"{url}/api/current-user/whoami", headers={"Authorization": f"Token {token}"})
    while time.monotonic() < until:
        if server.poll() is not None:
            raise SystemExit(f"Label Studio ended with {server.returncode}:\n{log.read_text()[-4000:]}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                print(f"Label Studio serves {url} as {json.load(answer)['email']}", flush=True)
                return
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{url} answers {error.code}: not our server?") from None
        except OSError:
            time.sleep(0.3)
    raise SystemExit(f"Label Studio did not start within {STARTS_WITHIN:.0f} s:\n{log.read_text()[-4000:]}")


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends with us
    with serving() as (url, token):
        if "--serve" in arguments:
            print(f"token {token}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)
            return 0
        tests = arguments or [str(HERE / "test_labelstudio_real.py"), "-v"]
        env = os.environ | {"LABELGATE_LABELSTUDIO_URL": url, "LABELGATE_LABELSTUDIO_TOKEN": token}
        return subprocess.run([sys.executable, "-m", "pytest", *tests], env=env, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
