"""Small HTTP servers that nobody can take over or block: whom they answer, and how long they wait for whom.

What listens on this machine alone is still reached by every page that a person's browser shows: the page's server gives
its own name the address 127.0.0.1, and from then on its scripts may read what a server here answers (DNS rebinding).
The browser then sends that name as the Host. So a request has to name this machine by what nobody else can give a
meaning to, and one that a page of another origin sends is refused as well.
Sources: RFC 9110, 7.2; https://fetch.spec.whatwg.org/#origin-header

A connection that says nothing costs a thread and a descriptor. There are a few at most: a new one takes the place of
the one that has said nothing for longest, and what takes too long to ask is closed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

# A request must be there so many seconds after its connection, and be answered so many after that.
ASK_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
# A connection that has had an answer may wait so long for its next request, as clients keep theirs.
IDLE_SECONDS: Final = 60.0
MAX_BODY_BYTES: Final = 1024 * 1024
MOST_CONNECTIONS: Final = 64

LOOPBACK: Final = frozenset({"127.0.0.1", "[::1]", "localhost"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^][:/?#@\s]+)(?::[0-9]{1,5})?")


def is_loopback(name: str) -> bool:
    """Tell whether a host without its port, in lower case, is this machine to everybody."""
    return name in LOOPBACK


def is_address(name: str) -> bool:
    """Tell whether a host without its port is an address or this machine, and so no name that somebody gave one."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        return True
    return is_loopback(name)


@dataclass(eq=False)
class _Connection:
    deadline: float
    answered: bool = False
    busy: bool = False


class BoundedServer(ThreadingHTTPServer):
    """Serves each connection in a thread of its own, and not more than some at once."""

    daemon_threads = True
    # Behind a full queue of connections, the system would drop those of others.
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BoundedHandler],
        *,
        is_host: Callable[[str], bool] = is_loopback,
        most: int = MOST_CONNECTIONS,
    ) -> None:
        """Listen.

        Args:
            address: host and port; port 0 takes a free one.
            handler: answers a connection.
            is_host: tells whether a request may name this host (without a port, in lower case).
            most: how many connections there may be at once.

        Raises:
            OSError: the address cannot be had.
        """
        self.is_host = is_host
        self._connections: dict[socket.socket, _Connection] = {}
        self._connections_lock = threading.Lock()
        self._most = most
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, in the place of another where there are too many."""
        with self._connections_lock:
            room = len(self._connections) < self._most or self._cut_one()
            if room:
                self._connections[request] = _Connection(time.monotonic() + ASK_SECONDS)
        if room:
            super().process_request(request, client_address)
        else:
            # All the others are being answered at this moment, and this one may try again.
            super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close what took too long; called some times a second."""
        moment = time.monotonic()
        with self._connections_lock:
            for request, connection in list(self._connections.items()):
                if connection.deadline < moment:
                    self._cut(request)

    def shutdown(self) -> None:
        """End at once, and not when the loop looks the next time, which it does twice a second."""
        with contextlib.suppress(OSError):
            # The end of its socket wakes the loop on Linux; elsewhere this is refused, and it looks a little later.
            self.socket.shutdown(socket.SHUT_RDWR)
        super().shutdown()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection whose thread is through with it."""
        with self._connections_lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that break off; what concerns a request is answered to it."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def begins(self, request: Any) -> None:
        """Take note that a connection has sent the head of a request."""
        self._note(request, ANSWER_SECONDS, busy=True)

    def rests(self, request: Any) -> None:
        """Take note that a connection has had its answer."""
        self._note(request, IDLE_SECONDS, busy=False)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        with self._connections_lock:
            return len(self._connections)

    def _note(self, request: Any, seconds: float, *, busy: bool) -> None:
        with self._connections_lock:
            # One that was closed meanwhile is not known any more.
            if (connection := self._connections.get(request)) is not None:
                connection.deadline = time.monotonic() + seconds
                connection.answered = connection.answered or not busy
                connection.busy = busy

    def _cut_one(self) -> bool:
        """Close the connection that is to be missed least: one that never asked anything, or rests, for longest."""
        waiting = [
            (each.answered, each.deadline, request) for request, each in self._connections.items() if not each.busy
        ]
        if not waiting:
            return False
        self._cut(min(waiting, key=lambda each: each[:2])[2])
        return True

    def _cut(self, request: socket.socket) -> None:
        del self._connections[request]
        # The thread that reads from it finds its end and closes it; TLS's own shutdown would change what it reads from.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(request, socket.SHUT_RDWR)


class BoundedHandler(BaseHTTPRequestHandler):
    """Answers in JSON those who may ask; what is asked is for whoever derives from it to say."""

    content_type = "application/json; charset=utf-8"
    server: BoundedServer

    def handle_one_request(self) -> None:
        """Answer the next request of a connection."""
        super().handle_one_request()
        self.server.rests(self.request)

    def parse_request(self) -> bool:
        """Read the head of a request; False if it was answered with a refusal."""
        if not super().parse_request():
            return False
        self.server.begins(self.request)
        refusal = self._refusal()
        if refusal is None:
            return True
        # Nobody has to read on what such a client sends.
        self.close_connection = True
        self.answer(refusal[0], {"error": refusal[1]}, {"Connection": "close"})
        return False

    def body(self) -> bytes | None:
        """Return the body of the request, or None once it was answered that it is too large or of no known length."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") is not None or not re.fullmatch("[0-9]{1,20}", length):
            self._refuse_body(HTTPStatus.LENGTH_REQUIRED, "The body needs a Content-Length, and no encoding.")
            return None
        if int(length) > MAX_BODY_BYTES:
            self._refuse_body(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has {MAX_BODY_BYTES} bytes at most.")
            return None
        return self.rfile.read(int(length))

    def answer(self, status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer whose body is the object as JSON, or empty where it is None."""
        data = b"" if body is None else json.dumps(body, indent=2).encode() + b"\n"
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", self.content_type)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_open(self) -> bool:
        """Tell whether the request is for something that may be asked for by any name of this machine."""
        return False

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _refusal(self) -> tuple[HTTPStatus, str] | None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or (not hosts and self.request_version == "HTTP/1.1"):
            return HTTPStatus.BAD_REQUEST, "A request has one header Host."
        if not self.path.startswith("/"):
            return HTTPStatus.BAD_REQUEST, "A request asks for a path, not for a whole URL."
        if self.is_open():
            return None
        for host in hosts:
            if not self._may_name(host):
                return HTTPStatus.FORBIDDEN, f"This is not {host[:100]!a}: ask by the address, or by localhost."
        for origin in self.headers.get_all("Origin", []):
            url = urlsplit(origin) if origin.isascii() else urlsplit("")
            if url.scheme not in ("http", "https") or not self._may_name(url.netloc):
                return HTTPStatus.FORBIDDEN, f"A page of {origin[:100]!a} has no business here."
        return None

    def _may_name(self, host: str) -> bool:
        match = _HOST.fullmatch(host.strip())
        return match is not None and self.server.is_host(match[1].lower())

    def _refuse_body(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True
        self.answer(status, {"error": text}, {"Connection": "close"})
