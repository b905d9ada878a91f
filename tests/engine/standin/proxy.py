"""A forward proxy that answers for Azure itself, so that the program's own HTTPS calls stay on this machine."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

from tests.engine.standin.addresses import BLOB, DIRECTORY, FILE, GITHUB, MANAGER, QUEUE, REGISTRY, answer
from tests.engine.standin.cloud import Cloud
from tests.engine.standin.replies import Answer


class Proxy(ThreadingHTTPServer):
    """Serves the hosts of :mod:`tests.engine.standin.addresses` for one cloud and refuses all others.

    Attributes:
        authority: issues the certificates of the hosts.
        cloud: whose answers are given; a test sets its own.
        refused: hosts that somebody wanted to reach and that are not served.
        statuses: what the next calls that need a fresh role are answered with, before they are let through.
    """

    daemon_threads = True

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cloud: Cloud | None = None
        self.refused: list[str] = []
        self.statuses: list[int] = []
        self.authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address for ``HTTPS_PROXY``."""
        return f"http://127.0.0.1:{self.server_port}"

    def context_for(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings of a host, with a certificate of its name."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host).configure_cert(self._contexts[host])
            return self._contexts[host]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    host = ""

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        if not host.endswith((BLOB, DIRECTORY, FILE, GITHUB, MANAGER, QUEUE, REGISTRY)):
            self.server.refused.append(host)
            self.send_error(403, f"{host} is not served")
            return
        self.send_response(200)
        self.end_headers()
        self.host = host
        self.connection = self.server.context_for(host).wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_DELETE(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def finish(self) -> None:
        """Close the connection inside TLS too, which the server knows nothing of."""
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: addresses carry signatures."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {key.lower(): value for key, value in self.headers.items()}
        if self.server.cloud is None:
            result = Answer(503)
        else:
            result = answer(self.server.cloud, self.server.statuses, self.host, self.command, self.path, headers, body)
        self.send_response(result.status)
        for key, value in result.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(result.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(result.body)


@contextmanager
def running_proxy(authority: trustme.CA) -> Iterator[Proxy]:
    """Run a proxy on a free port of this machine."""
    with Proxy(authority) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, name="proxy")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
