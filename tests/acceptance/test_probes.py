"""What runs inside of the container groups, run here."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.acceptance.groups import PROBES
from infra.acceptance.questions.cold_start import _grace
from infra.acceptance.questions.confinement import _seen
from pipeline_app.worker.confinement import landlock
from pipeline_app.worker.confinement.rights import ENDPOINTS
from tests.acceptance.standin_groups import confining

NOBODY = 65534
PROJECT = Path(__file__).parents[2]
SECONDS = 30


def command(probe: str, *arguments: str) -> list[str]:
    """Return the command as a container group has it."""
    return [sys.executable, "-c", (PROBES / f"{probe}.py").read_text(encoding="utf-8"), *arguments]


def printed(probe: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a probe to its end; return what it printed."""
    done = subprocess.run(command(probe, *arguments), capture_output=True, check=True, text=True, timeout=SECONDS)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A folder like the share, whose way there anybody may go."""
    folder = tmp_path / "share"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "runtime.json").write_text("{}", encoding="utf-8")
    # Each of several processes that run the tests has one folder more.
    root = next((parent for parent in tmp_path.parents if parent.name.startswith("pytest-of-")), tmp_path.parents[1])
    for parent in (folder, *folder.parents):
        if parent.owner() == tmp_path.owner() and parent.is_relative_to(root):
            parent.chmod(0o755)
    return folder


def printed_as_nobody(probe: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a probe as another user than the folder's owner; what it imports may be out of that user's reach."""
    if os.getuid() != 0:
        pytest.skip("Only root can run a process as another user; run the tests as root, as in a container.")
    script = command(probe, *arguments)
    script[2] = f"import json, os, sys, uuid\nos.setgid({NOBODY})\nos.setuid({NOBODY})\n{script[2]}"
    done = subprocess.run(script, capture_output=True, check=True, text=True, timeout=SECONDS)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_end_probe_ends_with_the_code_it_is_told() -> None:
    assert subprocess.run(command("end", "3"), check=False, timeout=SECONDS).returncode == 3
    assert subprocess.run(command("end", "0", "0.1"), check=False, timeout=SECONDS).returncode == 0


def test_the_share_probe_tells_mode_owner_and_what_works(mount: Path) -> None:
    mount.chmod(0o777)
    found = printed("share", str(mount), "config/runtime.json")[-1]

    assert found == {"mode": "0777", "owner": os.getuid(), "read": 2, "uid": os.getuid(), "written": 4}
    assert sorted(path.name for path in mount.iterdir()) == ["config"]


def test_the_share_probe_tells_what_another_user_may_not(mount: Path) -> None:
    mount.chmod(0o777)
    assert {"read", "written"} <= printed_as_nobody("share", str(mount), "config/runtime.json")[-1].keys()
    mount.chmod(0o700)
    found = printed_as_nobody("share", str(mount), "config/runtime.json")[-1]

    assert (found["mode"], found["uid"]) == ("0700", NOBODY)
    assert "Permission denied" in found["unread"]
    assert "Permission denied" in found["unwritten"]


def test_the_grace_probe_notes_how_long_it_lives_after_sigterm(tmp_path: Path) -> None:
    path = tmp_path / "acceptance" / "grace.txt"
    with subprocess.Popen(command("grace", str(path))) as process:
        until(lambda: path.exists() and path.read_text())
        assert _grace(path.read_text()) is None
        process.send_signal(signal.SIGTERM)
        until(lambda: (_grace(path.read_text()) or 0) > 0)
        # It goes on until it is killed.
        assert process.poll() is None
        process.kill()


def test_the_grace_of_a_container_that_was_killed_at_once_is_none() -> None:
    assert _grace("up\nup\n") is None
    assert _grace(None) is None
    assert _grace("up\n0.0\n9.6\n\0\0") == 9.6


@pytest.mark.parametrize("status", [200, 500])
def test_the_health_probe_answers_as_it_is_told(status: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(command("health", str(port), str(status), "600"), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == {"serving": True}
            assert status_of(f"http://127.0.0.1:{port}/") == status
        finally:
            process.kill()


def test_the_arm_probe_asks_as_its_identity_until_it_is_let_through() -> None:
    with platform([403, 403, 202]) as server:
        base = f"http://127.0.0.1:{server.server_port}"
        arguments = ["client-1", "POST", f"{base}/group/start", "60", "first", f"{base}/token", f"{base}/"]
        script = command("ask_arm", *arguments)
        # The real one waits five seconds between two tries.
        script[2] = script[2].replace("time.sleep(5)", "time.sleep(0)")
        done = subprocess.run(script, capture_output=True, check=True, text=True, timeout=SECONDS)
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert [(line["status"], line["code"]) for line in lines] == [(403, "AuthorizationFailed"), (202, "")]
    assert server.seen[0] == ("GET", "/token", "true", None)
    assert ("POST", "/group/start", None, "Bearer token-of-client-1") in server.seen


def test_the_arm_probe_survives_an_endpoint_that_is_not_there_yet() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        lines = printed("ask_arm", "client-1", "GET", nowhere, "0.1", "all", nowhere, nowhere)
    assert [line["status"] for line in lines] == [0]


def test_the_confinement_probe_tries_what_an_application_could_and_tells_no_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    with platform([200]) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        here, nowhere = f"127.0.0.1:{server.server_port}", f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{here}/msi/token")
        done = subprocess.run(
            command("confinement", str(PROJECT), "client-1", nowhere),
            capture_output=True,
            check=True,
            text=True,
            timeout=120,
        )
        asked = [path for _, path, metadata, _ in server.seen if metadata == "true"]
    found = json.loads(done.stdout)

    assert found["version"] == landlock.version()
    assert found["release"] == os.uname().release
    assert found["endpoints"] == {"IDENTITY_ENDPOINT": f"http://{here}/msi/token"}
    assert found["tokens"] == {nowhere: "ConnectionRefusedError", here: "200"}
    assert asked == ["/metadata/identity/oauth2/token"]
    # A token is in no line of what everybody reads who may read logs.
    assert "token-of" not in done.stdout
    unconfined = found["open"]
    assert (unconfined["read"], unconfined["write"]) == (0, 0)
    assert (unconfined["addresses"][here]["connect"], unconfined["addresses"][nowhere]["connect"]) == (
        0,
        errno.ECONNREFUSED,
    )
    assert ("confined" in found) == (landlock.version() >= landlock.LEAST_VERSION)
    if "confined" in found:
        assert (found["confined"]["read"], found["confined"]["write"]) == (errno.EACCES, errno.EACCES)
    if landlock.version() >= landlock.PORTS_VERSION:
        # What a variable names is closed; the other port is one that anybody may use.
        refused = {"connect": errno.EACCES, "Fast Open": errno.EOPNOTSUPP, "Multipath TCP": errno.EPROTONOSUPPORT}
        assert found["confined"]["addresses"][here] == refused
        assert found["confined"]["addresses"][nowhere]["connect"] == errno.ECONNREFUSED
        # The question takes that for a way out, as it should.
        assert f"reached {nowhere} by connect (111)" in _seen(found).text
        del found["confined"]["addresses"][nowhere]
    # What the probe prints is what the question reads, and what the stand-in plays.
    assert _seen(found).as_expected == (landlock.version() >= landlock.LEAST_VERSION)
    played = confining(landlock.version(), "6")
    assert found.keys() == played.keys()
    assert all(found[key].keys() == played[key].keys() for key in {"open", "confined"} & found.keys())


class Platform(ThreadingHTTPServer):
    """The identity's endpoint and Resource Manager."""

    daemon_threads = True

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.seen: list[tuple[str, str, str | None, str | None]] = []
        self.statuses = statuses


class Answers(BaseHTTPRequestHandler):
    """Hands out tokens, and answers the rest as the test says."""

    server: Platform

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.seen.append((self.command, path, self.headers.get("Metadata"), self.headers.get("Authorization")))
        body: dict[str, Any]
        if path.endswith("/token"):
            status, body = 200, {"access_token": f"token-of-{query.partition('client_id=')[2].partition('&')[0]}"}
        else:
            status = self.server.statuses.pop(0)
            body = {"error": {"code": "AuthorizationFailed", "message": "not yet"}} if status >= 400 else {}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def platform(statuses: list[int]) -> Iterator[Platform]:
    """Serve the platform."""
    with Platform(statuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def status_of(url: str) -> int:
    """Return the status of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def until(condition: Any) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
