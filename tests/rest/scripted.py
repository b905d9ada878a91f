"""A service on loopback that answers as the test says, and remembers what it was asked."""

from __future__ import annotations

import io
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline_app.rest.endpoint import Endpoint


@dataclass(frozen=True, kw_only=True)
class Act:
    """What the service does with one request: read its body or not, answer, and close the connection or not.

    A connection that is ``reset`` is closed without a farewell.
    """

    answer: bytes = b""
    close: bool = False
    read_body: bool = True
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it arrived; header names are in lower case."""

    connection: int
    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """The service: its port, the acts that are still to come, and the requests there were."""

    port: int
    acts: list[Act]
    connections: int = 0
    seen: list[Seen] = field(default_factory=list)


def reply(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """Return an answer as it stands on the wire; ``length`` is what it says of itself if not the body's."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def serving(acts: Sequence[Act], context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Play the acts, one for each request, whichever connection it comes on; at their end, close every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = Service(listener.getsockname()[1], list(acts))
        stopped = threading.Event()
        threads: list[threading.Thread] = []
        open_sockets: list[socket.socket] = []

        def accept() -> None:
            while True:
                connection, _ = listener.accept()
                if stopped.is_set():
                    connection.close()
                    return
                service.connections += 1
                open_sockets.append(connection)
                thread = threading.Thread(target=_serve, args=(service, connection, service.connections, context))
                threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield service
        finally:
            stopped.set()
            socket.create_connection(("127.0.0.1", service.port)).close()
            acceptor.join()
            for connection in open_sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # It is closed already.
                    continue
            for thread in threads:
                thread.join()


OK = Act(answer=reply(200, b"fine"))


class Plain:
    """Authorises with a number that is another one after each renewal."""

    def __init__(self, *, renews: bool = True) -> None:
        self.number = 1
        self._renews = renews

    def renew(self) -> bool:
        self.number += 1
        return self._renews

    def sign(
        self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return query, {**headers, "Authorization": f"Number {self.number}"}


@contextmanager
def endpoint(
    service: Service, *, authorization: Plain | None = None, path: str = "/account", scheme: str = "http"
) -> Iterator[Endpoint]:
    with closing(Endpoint(f"{scheme}://127.0.0.1:{service.port}{path}", authorization or Plain())) as endpoint:
        yield endpoint


def _serve(service: Service, connection: socket.socket, number: int, context: ssl.SSLContext | None) -> None:
    with connection:
        try:
            channel = context.wrap_socket(connection, server_side=True) if context else connection
        except OSError:
            # The client does not trust the certificate, which is for the test to see on its side.
            return
        with channel, channel.makefile("rwb") as stream:
            try:
                while _play(service, channel, stream, number):
                    pass
            except OSError:
                # The client is gone.
                return


def _play(service: Service, channel: socket.socket, stream: io.BufferedRWPair[Any, Any], number: int) -> bool:
    line = stream.readline().decode()
    if not line:
        return False
    method, url, _ = line.split(" ")
    headers: dict[str, str] = {}
    while text := stream.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    act = service.acts.pop(0)
    body = stream.read(int(headers.get("content-length", "0"))) if act.read_body else b""
    service.seen.append(Seen(body=body or b"", connection=number, headers=headers, method=method, url=url))
    if act.reset:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    stream.write(act.answer)
    stream.flush()
    return not act.close
