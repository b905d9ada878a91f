"""Clients that stall, drip or only connect at what a local run and a worker listen on."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.local.processes.waiting import wait_until
from infra.local.services.azurite import StorageAccount
from pipeline_app.worker import listening
from pipeline_app.worker.listening import BoundedHandler, BoundedServer
from tests.accounts import fresh_refusals
from tests.hostile.endpoint import Endpoint, serving


class Echo(BoundedHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(http.HTTPStatus.OK, {"path": self.path})

    def do_POST(self) -> None:
        if (body := self.body()) is not None:
            self.answer(http.HTTPStatus.OK, {"bytes": len(body)})


@pytest.fixture
def echo() -> Iterator[Callable[..., tuple[BoundedServer, Endpoint]]]:
    """Make servers that tell what they were asked."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> tuple[BoundedServer, Endpoint]:
            server = BoundedServer(("127.0.0.1", 0), Echo, **options)
            stack.enter_context(serving(server))
            return server, Endpoint(server.server_port, "/")

        yield make


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        while connection.recv(4096):
            # An answer that nobody asked for, such as that the time is over.
            continue
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_a_thousand_idle_connections_are_few_at_once_and_the_next_request_is_answered(
    echo: Callable[..., tuple[BoundedServer, Endpoint]],
) -> None:
    server, endpoint = echo(most=8)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(endpoint.connect()) for _ in range(1000)]
        for _ in range(3):
            assert endpoint.status("Host: localhost") == 200
        assert server.connections <= 8
        assert wait_until(lambda: sum(map(is_closed, idle)) >= 992, 15)
        # The oldest had to go.
        assert not is_closed(idle[-1])


def test_a_connection_that_has_asked_something_outlives_those_that_never_did(
    echo: Callable[..., tuple[BoundedServer, Endpoint]],
) -> None:
    _, endpoint = echo(most=8)
    client = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
    with contextlib.ExitStack() as stack:
        stack.callback(client.close)
        for _ in range(3):
            client.request("GET", "/")
            # A client that had to connect anew would hide that it was cut off.
            client.auto_open = 0
            assert json.loads(client.getresponse().read()) == {"path": "/"}
            for _ in range(50):
                stack.enter_context(endpoint.connect())


@pytest.mark.parametrize("piece", [b"", b"X", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_never_ends_is_not_waited_for_however_it_drips(
    echo: Callable[..., tuple[BoundedServer, Endpoint]], monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    monkeypatch.setattr(listening, "ASK_SECONDS", 0.3)
    server, endpoint = echo()
    with endpoint.connect() as connection:
        connection.sendall(piece)

        def drip() -> bool:
            with contextlib.suppress(BlockingIOError, OSError):
                connection.send(b"x")
            time.sleep(0.02)
            return is_closed(connection)

        assert wait_until(drip if piece else lambda: is_closed(connection), 15)
    assert wait_until(lambda: server.connections == 0, 15)


def test_a_body_that_never_comes_is_not_waited_for(
    echo: Callable[..., tuple[BoundedServer, Endpoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ANSWER_SECONDS", 0.3)
    _, endpoint = echo()
    with endpoint.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx")
        assert wait_until(lambda: is_closed(connection), 15)


def test_one_that_rests_too_long_is_closed(
    echo: Callable[..., tuple[BoundedServer, Endpoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "IDLE_SECONDS", 0.3)
    _, endpoint = echo()
    with endpoint.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read()
        assert wait_until(lambda: is_closed(connection), 15)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Length: 5", 200),
        ("Content-Length: -1", 411),
        ("Content-Length: +5", 411),
        ("Content-Length: x", 411),
        ("Content-Length: 1048577", 413),
        (f"Content-Length: {10**30}", 411),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_is_bounded_and_of_a_known_length(
    echo: Callable[..., tuple[BoundedServer, Endpoint]], headers: str, status: int
) -> None:
    _, endpoint = echo()
    with endpoint.connect() as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\nabcde".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status


def test_storage_keeps_a_bounded_number_of_idle_connections_and_closes_those_that_ask_nothing(
    account: StorageAccount,
) -> None:
    endpoint = Endpoint(urlsplit(account.endpoint("blob")).port or 0, f"/{account.name}?comp=list")
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(endpoint.connect()) for _ in range(1000)]
        assert endpoint.status("Host: localhost") == 403
        # At once, and not when their time is over.
        assert wait_until(lambda: sum(map(is_closed, idle)) >= 400, 4)
        assert not is_closed(idle[-1])
        with account.blobs() as service:
            assert service.get_service_properties()
        # Node.js by itself would wait for a minute, and look every half.
        assert wait_until(lambda: all(map(is_closed, idle)), 25)
    fresh_refusals()
