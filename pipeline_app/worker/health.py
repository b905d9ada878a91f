"""The worker's HTTP endpoint: ``/healthz`` for the liveness probe, ``/status`` for people."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pipeline_app.worker.status import Status


@contextmanager
def serve(status: Status, port: int) -> Iterator[int]:
    """Serve the endpoint on all interfaces while the context lasts, and yield the port.

    Raises:
        OSError: the port cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                healthy = status.healthy
                code = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(code, {"healthy": healthy})
            elif self.path in ("/", "/status"):
                self._answer(HTTPStatus.OK, status.snapshot())
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"error": f"No {self.path!r} here; try /healthz or /status."})

        def log_message(self, format: str, *args: object) -> None:
            """Keep probes out of the log, where they would drown the files."""

        def _answer(self, code: HTTPStatus, body: dict[str, object]) -> None:
            data = json.dumps(body, indent=2).encode() + b"\n"
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    # The probe and `docker run -p` come from outside the container, so loopback alone would not do.
    with ThreadingHTTPServer(("0.0.0.0", port), Handler) as server:  # noqa: S104
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
