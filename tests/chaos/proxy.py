"""A proxy before storage that names each request of a worker as a step of its work, and does harm at chosen ones."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Mapping
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
    KILL_IN_APP = "the application kills the worker while it runs"
    KILL_LATER = "the worker is killed a moment after the answer"
    KILL_MIDWAY = "the worker is killed with half of the answer"
    LATE = "the request is carried out when the claim has long run out"
    NONE = "nothing"
    REFUSE = "storage answers 500, 503 or 429"


KILLS: Final = frozenset({Harm.KILL_AFTER, Harm.KILL_BEFORE, Harm.KILL_IN_APP, Harm.KILL_LATER, Harm.KILL_MIDWAY})


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


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request, the harm that came to it, and, where it was carried out, what storage said."""

    answer: bytes
    harm: Harm
    headers: Mapping[str, str]
    request: Request
    status: int | None


class Proxy:
    """Forwards one worker's requests to one service of a storage account.

    Args:
        upstream: host and port of the service.
        decide: says what harm comes to a request; it is called from many threads.
        hold: waits until the claims of before have run out.
        kill: kills the worker at once.
        kill_in_app: lets the next application do it.
        kill_later: kills it within moments.
        note: is told what became of a request, before its sender is.
        refuse: gives the status of a refused request.
    """

    def __init__(
        self,
        upstream: str,
        decide: Callable[[Request], Harm],
        *,
        hold: Callable[[], None],
        kill: Callable[[], None],
        kill_in_app: Callable[[], None],
        kill_later: Callable[[], None],
        note: Callable[[Exchange], None],
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
                request = classify(self.command, self.path)
                harm = decide(request)
                status: int | None = None
                headers: list[tuple[str, str]] = []
                answer = b""
                if harm is Harm.LATE:
                    hold()
                if harm is Harm.KILL_IN_APP:
                    kill_in_app()
                if harm not in (Harm.CUT_BEFORE, Harm.KILL_BEFORE, Harm.REFUSE):
                    status, headers, answer = self._forward(body)
                sent = {name.lower(): value for name, value in self.headers.items()}
                note(Exchange(answer=answer, harm=harm, headers=sent, request=request, status=status))
                if harm in (Harm.KILL_AFTER, Harm.KILL_BEFORE):
                    kill()
                if harm in (Harm.CUT_AFTER, Harm.CUT_BEFORE, Harm.KILL_AFTER, Harm.KILL_BEFORE):
                    self._cut()
                    return
                if harm is Harm.KILL_MIDWAY:
                    self._answer(status or 0, headers, answer, sent=len(answer) // 2)
                    kill()
                    self._cut()
                    return
                self._answer(status or refuse(), headers, answer)
                if harm is Harm.KILL_LATER:
                    kill_later()

            do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _serve

            def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_HEADERS}
                self._upstream.request(self.command, self.path, body, headers | {"Host": upstream})
                response = self._upstream.getresponse()
                return response.status, response.getheaders(), response.read()

            def _answer(
                self, status: int, headers: list[tuple[str, str]], body: bytes, sent: int | None = None
            ) -> None:
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
                    self.wfile.write(body[:sent])
                    self.wfile.flush()

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
