"""The worker's own process, where the storage refuses everything: how it ends, and how soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from pipeline_app.contract import EXIT_REFUSED

PROJECT = Path(__file__).parents[2]
# The worker itself, only less patient.
HURRIED = """
import sys
from pipeline_app.worker import __main__, loop

loop.GIVE_UP_SECONDS = loop.OUTAGE_SECONDS = 0.2
sys.exit(__main__.main())
"""


@contextmanager
def refusing(status: int, code: str) -> Iterator[tuple[int, Event]]:
    """Refuse all requests; yield the port, and what is set once there was one."""
    asked = Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("x-ms-error-code", code)
            self.end_headers()
            asked.set()

        do_DELETE = do_HEAD = do_POST = do_PUT = do_GET

        def log_message(self, *arguments: object) -> None:
            """Keep the test's output free of access logs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def start(port: int, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    url = f"http://127.0.0.1:{port}/account"
    environment = {
        "APP_ALIAS": "true",
        "APP_HEALTH_ADDRESS": "127.0.0.1",
        "APP_HEALTH_PORT": "0",
        "APP_SCRATCH_DIRECTORY": str(folder),
        "APP_STORAGE_CONNECTION": f"AccountName=account;AccountKey=a2V5;BlobEndpoint={url};QueueEndpoint={url}",
        "APP_STORAGE_CONTAINER": "c",
        "APP_STORAGE_INPUT_PATH": "incoming",
        "APP_STORAGE_OUTPUT_PATH": "outgoing",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
    }
    return subprocess.Popen(
        [sys.executable, *arguments], env=environment, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationPermissionMismatch"), (404, "QueueNotFound")])
def test_a_refusal_that_lasts_is_an_exit_code_of_its_own_and_a_sentence(tmp_path: Path, status: int, code: str) -> None:
    with refusing(status, code) as (port, _):
        worker = start(port, tmp_path, "-c", HURRIED)
        output, _ = worker.communicate(timeout=60)
    assert worker.returncode == EXIT_REFUSED, output
    (line,) = [each for each in output.splitlines() if "The worker ends" in each]
    assert f"It last said: HTTP {status} {code}" in line
    assert "Has its identity its roles on the files container and on the queue jobs" in line
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_worker_that_is_told_to_stop_does_not_wait_out_its_retries(tmp_path: Path, number: signal.Signals) -> None:
    """They come to a minute and more, and the platform kills it after half of one."""
    with refusing(503, "ServerBusy") as (port, asked):
        worker = start(port, tmp_path, "-m", "pipeline_app.worker")
        try:
            assert asked.wait(60)
            # The first wait is under way, and all together take 62 seconds.
            time.sleep(0.2)
            worker.send_signal(number)
            output, _ = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert worker.returncode == 0, output
    assert number.name in output
