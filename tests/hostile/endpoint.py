"""Asking what listens on loopback, raw and over TLS, and serving there while a context lasts."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator

from pipeline_app.worker.listening import BoundedServer


class Endpoint:
    """Where something listens, to be asked raw."""

    def __init__(self, port: int, path: str, tls: ssl.SSLContext | None = None) -> None:
        self.path = path
        self.port = port
        self._tls = tls

    def connect(self) -> socket.socket:
        """Open a connection and say nothing."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return self._tls.wrap_socket(plain, server_hostname="localhost") if self._tls else plain

    def ask(self, head: str) -> tuple[int, dict[str, str], bytes]:
        """Send a head, less its last empty line, and return what is answered."""
        with self.connect() as connection:
            connection.sendall(head.encode("latin-1") + b"\r\n\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def status(self, *headers: str) -> int:
        """Return the status of the answer to a GET with these headers alone."""
        return self.ask("\r\n".join([f"GET {self.path} HTTP/1.1", *headers]))[0]


@contextlib.contextmanager
def serving(server: BoundedServer) -> Iterator[None]:
    """Serve while the context lasts."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
