"""Fixtures over the stand-ins, and Azure Resource Manager served on loopback with TLS."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trustme

from pipeline_function.services import Services
from tests.function.fakes import GRACE, Arm, FakeWakeUps
from tests.memory.function import NAMES, MemoryStorage


@pytest.fixture
def storage() -> MemoryStorage:
    """Return an empty storage account."""
    return MemoryStorage()


@pytest.fixture
def services(storage: MemoryStorage) -> Services:
    """Return services over the fake storage, which notes what is asked of the wake-ups in its ``calls``, too."""
    return Services(grace=GRACE, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=FakeWakeUps(storage.calls))


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Arm]:
    """Serve Azure Resource Manager on loopback, trusted by this process through ``REQUESTS_CA_BUNDLE``."""
    served = Arm()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.on_request()
            if self.headers["Authorization"]:
                served.tokens.add(self.headers["Authorization"])
            status, headers, body = served.answer(self.command, self.path)
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            """Keep the test's output free of access logs."""

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        served.url = f"https://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()
