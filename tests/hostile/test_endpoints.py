"""Strangers at what a local run and a worker listen on: pages of other origins and foreign names."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from infra.local.services.arm import ArmServer
from infra.local.services.azurite import StorageAccount
from infra.local.services.identity import Directory, TokenServer
from infra.local.services.registry import RegistryServer
from pipeline_app.contract import ContractError
from pipeline_app.worker import health
from pipeline_app.worker.status import Status
from tests.accounts import fresh_refusals
from tests.hostile.endpoint import Endpoint, serving

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
