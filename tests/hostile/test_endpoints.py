"""Strangers at what a local run and a worker listen on: pages of other origins, foreign names, clients that stall."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.local.processes.waiting import wait_until
from infra.local.services.arm import ArmServer
from infra.local.services.azurite import StorageAccount
from infra.local.services.identity import Directory, TokenServer
from infra.local.services.registry import RegistryServer
from pipeline_app.contract import ContractError
from pipeline_app.worker import health, listening
from pipeline_app.worker.listening import BoundedHandler, BoundedServer
from pipeline_app.worker.status import Status
from tests.accounts import fresh_refusals

NAMES = ("arm", "blob", "queue", "registry", "status", "table", "tokens")

FOREIGN = [
    "attacker.example",
    "attacker.example:80",
    "127.0.0.1.attacker.example",
    "127.0.0.1@attacker.example",
    "attacker.example:80@127.0.0.1",
    "localhost.attacker.example",
    "localhost:1:2",
    "localhost/",
    "192.0.2.1",
    "[::2]",
    "0.0.0.0",  # noqa: S104 -- a name to be refused.
    "",
    " ",
]
OWN = ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"]
FOREIGN_ORIGINS = ["http://attacker.example", "https://localhost.attacker.example", "null", "file://", "http://", "é"]


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
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def endpoints(account: StorageAccount, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Endpoint]]:
    """All that a local run listens on, each with a path that is answered."""
    authority = tmp_path_factory.mktemp("authority") / "authority.pem"
    directory = Directory()
    arm, tokens, registry = ArmServer(directory, {}, authority), TokenServer(directory), RegistryServer("t", 1)
    status = Status(image="i", release="r", slots=1)
    with contextlib.ExitStack() as stack:
        for server in (arm, tokens, registry):
            stack.enter_context(serving(server))
        port = stack.enter_context(health.serve(status, 0, "127.0.0.1"))
        storage = {
            service: Endpoint(urlsplit(account.endpoint(service)).port or 0, f"/{account.name}?comp=list")
            for service in ("blob", "queue", "table")
        }
        yield storage | {
            "arm": Endpoint(arm.server_port, "/", ssl.create_default_context(cafile=str(authority))),
            "registry": Endpoint(registry.server_port, "/v2/"),
            "status": Endpoint(port, "/status"),
            "tokens": Endpoint(tokens.server_port, "/msi/token"),
        }
        fresh_refusals()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_somebody_else_can_give_a_meaning_to_is_refused(
    endpoints: Mapping[str, Endpoint], name: str
) -> None:
    endpoint = endpoints[name]
    usual = endpoint.status("Host: 127.0.0.1")
    assert usual not in (400, 403) or name in ("blob", "queue", "table", "tokens")
    allowed = {
        host: endpoint.status(f"Host: {host}") for own in OWN for host in (own, f"{own}:{endpoint.port}", f"{own}:1")
    }
    assert set(allowed.values()) == {usual}
    for host in FOREIGN:
        status, headers, body = endpoint.ask(f"GET {endpoint.path} HTTP/1.1\r\nHost: {host}")
        assert status in (400, 403), host
        assert headers.get("connection") == "close", host
        assert b"localhost" in body or status == 400, host
    assert endpoint.status() == 400
    assert endpoint.status("Host: localhost", "Host: attacker.example") == 400
    assert endpoint.ask(f"GET http://attacker.example{endpoint.path} HTTP/1.1\r\nHost: localhost")[0] in (400, 403)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_of_another_origin_is_refused_whatever_it_asks(
    endpoints: Mapping[str, Endpoint], name: str, method: str
) -> None:
    endpoint = endpoints[name]
    head = f"{method} {endpoint.path} HTTP/1.1\r\nHost: localhost:{endpoint.port}\r\nContent-Length: 0"
    usual = endpoint.ask(head)[0]
    for origin in ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"):
        assert endpoint.ask(f"{head}\r\nOrigin: {origin}")[0] == usual
    for origin in FOREIGN_ORIGINS:
        status, headers, _ = endpoint.ask(f"{head}\r\nOrigin: {origin}")
        assert status == 403, origin
        assert "access-control-allow-origin" not in headers


def test_strangers_fill_no_log(endpoints: Mapping[str, Endpoint], account: StorageAccount) -> None:
    endpoints["blob"].status("Host: localhost")
    fresh_refusals()
    before = account.log.read_text(encoding="utf-8")
    for _ in range(5):
        assert endpoints["blob"].status("Host: attacker.example") == 403
    assert fresh_refusals() == []
    assert account.log.read_text(encoding="utf-8") == before


@contextlib.contextmanager
def status_on(address: str) -> Iterator[Endpoint]:
    with health.serve(Status(image="i", release="r", slots=1), 0, address) as port:
        yield Endpoint(port, "/status")


def test_in_a_container_the_status_is_for_who_asks_by_an_address_and_the_probe_may_say_what_it_likes() -> None:
    with status_on(health.ALL_ADDRESSES) as endpoint:
        for host in (*OWN, "10.0.0.4:5000", "192.0.2.1", "[fd00::1]:5000"):
            assert endpoint.status(f"Host: {host}") == 200
        for host in ("attacker.example", "worker-1.westeurope.azurecontainer.io:5000", ""):
            assert endpoint.status(f"Host: {host}") == 403
            assert endpoint.ask(f"GET /healthz HTTP/1.1\r\nHost: {host}")[0] == 200
        assert endpoint.ask("GET /healthz HTTP/1.0")[0] == 200
        assert endpoint.status("Host: 10.0.0.4", "Origin: http://attacker.example") == 403


def test_a_process_s_probe_is_as_strict_as_its_status() -> None:
    with status_on("127.0.0.1") as endpoint:
        assert endpoint.ask("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:1")[0] == 200
        assert endpoint.ask("GET /healthz HTTP/1.1\r\nHost: attacker.example")[0] == 403


def test_the_worker_listens_where_it_is_told_and_in_a_container_everywhere() -> None:
    assert health.address({}) == health.ALL_ADDRESSES
    assert health.address({"APP_HEALTH_ADDRESS": " 127.0.0.1 "}) == "127.0.0.1"
    for wrong in ("localhost", "::1", "127.0.0.1:5000", "999.0.0.1"):
        with pytest.raises(ContractError, match=r"APP_HEALTH_ADDRESS is .*; it must be an IPv4 address .*127\.0\.0\.1"):
            health.address({"APP_HEALTH_ADDRESS": wrong})
    with status_on("127.0.0.1") as endpoint, pytest.raises(OSError, match="refused"):
        # All of 127.0.0.0/8 is this machine, and what listens everywhere listens here.
        socket.create_connection(("127.0.0.2", endpoint.port), timeout=5)


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
