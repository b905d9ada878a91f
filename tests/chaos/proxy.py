"""A proxy before storage that names each request of a worker as a step of its work, and does harm at chosen ones."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

# Headers that speak of one connection alone and are made anew for the other.
HOP_HEADERS: Final = frozenset({"connection", "host", "keep-alive", "transfer-encoding"})


class Harm(Enum):
    """What happens to a request and to the worker that sent it."""

    CUT_AFTER = "the connection is cut, the request was carried out"
    CUT_BEFORE = "the connection is cut, the request was not carried out"
    KILL_AFTER = "the worker is killed, the request was carried out"
    KILL_BEFORE = "the worker is killed, the request was not carried out"
    KILL_LATER = "the worker is killed a moment after the answer"
    LATE = "the request is carried out when the claim has long run out"
    NONE = "nothing"
    REFUSE = "storage answers 500, 503 or 429"


KILLS: Final = frozenset({Harm.KILL_AFTER, Harm.KILL_BEFORE, Harm.KILL_LATER})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request of a worker: the step that it is, and the blob or queue that it concerns."""

    step: str
    subject: str


def classify(method: str, target: str) -> Request:
    """Name the step that a request is."""
    url = urlsplit(target)
    path = unquote(url.path).split("/", 2)[2]
    query = parse_qs(url.query, keep_blank_values=True)
    if path.startswith(("jobs/", "jobs-poison/")) or path in ("jobs", "jobs-poison"):
        step = {"DELETE": "delete the message", "GET": "claim", "POST": "bury", "PUT": "renew or give back"}[method]
        return Request(step="look at the queue" if "comp" in query else step, subject=path)
    name = path.partition("/")[2]
    if name.startswith("incoming/"):
        return Request(step="download" if method == "GET" else "look at the input", subject=name)
    kind = {"run.log": "log", "receipt.json": "receipt"}.get(name.rpartition("/")[2], "result")
    verb = {"DELETE": "remove", "GET": "read", "HEAD": "look at", "PUT": "write"}[method]
    return Request(step=f"{verb} the {kind}" if name else "list the results", subject=name)


class Proxy:
    """Forwards one worker's requests to one service of a storage account.

    Args:
        upstream: host and port of the service.
        decide: says what harm comes to a request; it is called from many threads.
        kill: kills the worker at once.
        kill_later: kills it within moments.
        hold: waits until the claims of before have run out.
        refuse: gives the status of a refused request.
    """

    def __init__(
        self,
        upstream: str,
        decide: Callable[[Request], Harm],
        *,
        hold: Callable[[], None],
        kill: Callable[[], None],
        kill_later: Callable[[], None],
        refuse: Callable[[], int],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self._upstream = http.client.HTTPConnection(upstream, timeout=60)

            def finish(self) -> None:
                self._upstream.close()
                with suppress(ConnectionError):
                    super().finish()

            def handle_one_request(self) -> None:
                # A killed worker leaves its connections in any state.
                with suppress(ConnectionError, http.client.HTTPException, TimeoutError):
                    super().handle_one_request()
                    return
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing; the table at the end counts what happened."""

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                harm = decide(classify(self.command, self.path))
                if harm is Harm.REFUSE:
                    self._answer(refuse(), [], b"")
                    return
                if harm is Harm.KILL_BEFORE:
                    kill()
                if harm in (Harm.CUT_BEFORE, Harm.KILL_BEFORE):
                    self._cut()
                    return
                if harm is Harm.LATE:
                    hold()
                status, headers, answer = self._forward(body)
                if harm is Harm.KILL_AFTER:
                    kill()
                if harm in (Harm.CUT_AFTER, Harm.KILL_AFTER):
                    self._cut()
                    return
                self._answer(status, headers, answer)
                if harm is Harm.KILL_LATER:
                    kill_later()

            do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _serve

            def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
                self._upstream.request(self.command, self.path, body, headers | {"Host": upstream})
                response = self._upstream.getresponse()
                return response.status, response.getheaders(), response.read()

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response_only(status)
                length = None
                for name, value in headers:
                    if name.lower() == "content-length":
                        length = value
                    elif name.lower() not in HOP_HEADERS:
                        self.send_header(name, value)
                # The answer to HEAD tells the length of what it does not send.
                self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def _cut(self) -> None:
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on loopback that the worker talks to."""
        return self._server.server_address[1]

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
