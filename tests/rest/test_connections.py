"""Connections: which are used again, whom they trust, and the way they take."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import certifi
import pytest
import trustme

from pipeline_app.contract import ContractError
from pipeline_app.rest import connections
from pipeline_app.rest.connections import IDLE_SECONDS, PIECE_BYTES, Connections
from pipeline_app.rest.endpoint import RETRIES, Endpoint, StorageUnreachable
from tests.rest.scripted import OK, Act, Plain, endpoint, reply, serving

PROXY_SETTINGS = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "all_proxy", "https_proxy", "http_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_SETTINGS, "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_connection_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("pipeline_app.rest.connections.time.monotonic", lambda: now)
    with serving([OK] * 3) as service, endpoint(service) as storage:
        storage.call("GET", "x")
        now += IDLE_SECONDS - 1
        storage.call("GET", "x")
        assert service.connections == 1
        now += IDLE_SECONDS + 1
        storage.call("GET", "x")
        assert service.connections == 2


@pytest.mark.parametrize(
    "url",
    [
        "account.blob.core.windows.net",
        "ftp://host/",
        "https://",
        "https://host:x/",
        "https://host:99999",
        "http://[::1",
    ],
)
def test_an_endpoint_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ContractError, match="storage endpoint"):
        Connections(url)


@pytest.mark.parametrize("url", ["https://host/?sig=secret", "https://user:secret@host/"])
def test_an_endpoint_with_a_secret_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ContractError) as raised:
        Connections(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://[::1]", ("::1", 80)),
        ("http://[::1]:81/account", ("::1", 81)),
        ("https://host", ("host", 443)),
        ("https://[fd00::2]/", ("fd00::2", 443)),
    ],
)
def test_every_form_of_address_is_understood(url: str, address: tuple[str, int]) -> None:
    connection = Connections(url)._new()
    assert (connection.host, connection.port) == address


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[trustme.CA]:
    """Return an authority that is the only one of a machine which has none of its own."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "ca.pem"))
    connections._tls.cache_clear()
    yield ca
    connections._tls.cache_clear()


def server_context(ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    return context


def test_tls_trusts_the_bundled_authorities_where_the_machine_has_none(authority: trustme.CA) -> None:
    with serving([OK] * 2, server_context(authority)) as service, endpoint(service, scheme="https") as storage:
        assert storage.call("GET", "x").body == b"fine"
        assert storage.call("GET", "x").body == b"fine"
        assert service.connections == 1


def test_tls_trusts_the_machine_s_authorities_alone_where_it_has_some(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = trustme.CA()
    own.cert_pem.write_to_path(tmp_path / "own.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    with serving([OK], server_context(own)) as service, endpoint(service, scheme="https") as storage:
        assert storage.call("GET", "x").body == b"fine"
    with (
        serving([], server_context(authority)) as service,
        endpoint(service, scheme="https") as storage,
        pytest.raises(StorageUnreachable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        storage.call("GET", "x")


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_tls_refuses_whom_it_does_not_know(authority: trustme.CA, wrong: str) -> None:
    context = server_context(trustme.CA()) if wrong == "authority" else server_context(authority, "elsewhere.example")
    with (
        serving([], context) as service,
        endpoint(service, scheme="https") as storage,
        pytest.raises(StorageUnreachable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        storage.call("GET", "x")
    assert service.seen == []


def test_a_stale_tls_connection_is_replaced(authority: trustme.CA, waits: list[float]) -> None:
    with (
        serving([Act(answer=reply(200), close=True), OK], server_context(authority)) as service,
        endpoint(service, scheme="https") as storage,
    ):
        storage.call("GET", "x")
        assert storage.call("PUT", "x", body=bytes(PIECE_BYTES)).body == b"fine"
        assert service.connections == 2
    assert waits == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("HTTPS_PROXY", "http://a%40b:p%3Aw@127.0.0.1:{}"),
        ("https_proxy", "a%40b:p%3Aw@127.0.0.1:{}"),
        ("ALL_PROXY", "http://a%40b:p%3Aw@127.0.0.1:{}/"),
    ],
)
def test_the_proxy_that_is_set_leads_to_the_service(monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    with serving([Act(answer=reply(407), close=True)] * (RETRIES + 1)) as proxy:
        monkeypatch.setenv(setting, value.format(proxy.port))
        with (
            closing(Endpoint("https://account.blob.example", Plain())) as storage,
            pytest.raises(StorageUnreachable, match="407"),
        ):
            storage.call("GET", "x")
    seen = proxy.seen[0]
    assert (seen.method, seen.url) == ("CONNECT", "account.blob.example:443")
    assert base64.b64decode(seen.headers["proxy-authorization"].partition(" ")[2]) == b"a@b:p:w"


def test_the_proxy_is_not_for_those_it_is_not_meant_for(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving([OK]) as service, endpoint(service) as storage:
        assert storage.call("GET", "x").body == b"fine"
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    with serving([OK], server_context(authority)) as service, endpoint(service, scheme="https") as storage:
        assert storage.call("GET", "x").body == b"fine"


@pytest.mark.parametrize(
    "proxy",
    ["https://secret@proxy:1", "socks5://secret@proxy", "http://secret@proxy:x", "http://secret@[::1", "http://"],
)
def test_a_proxy_of_another_kind_is_refused_without_telling_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ContractError, match="HTTPS_PROXY") as raised:
        Connections("https://host")
    assert "secret" not in str(raised.value)
