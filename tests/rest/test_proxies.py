"""What is never asked through a proxy, by any client that goes by the environment."""

from __future__ import annotations

import itertools
from urllib.request import proxy_bypass

import pytest
import requests.utils

from pipeline_app.rest.connections import Connections
from pipeline_app.rest.proxies import is_near, keep_near

AZURE = "https://account.blob.core.windows.net/"
NEAR = (
    "http://127.0.0.1:10000/account",
    "https://127.0.0.1:10000/account",
    "http://localhost:1/",
    "http://169.254.169.254/metadata",
    "http://169.254.129.2:8081/msi/token",
)
PROXIES = [
    {name: url, **other}
    for (name, url), other in itertools.product(
        [
            ("HTTP_PROXY", "http://127.0.0.1:9"),
            ("https_proxy", "http://proxy:9"),
            ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ],
        [{}, {"NO_PROXY": "example.com"}, {"no_proxy": ".internal, 10.0.0.1"}, {"no_proxy": "", "NO_PROXY": "a.b"}],
    )
]


@pytest.fixture
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the proxies of the test, and nothing else of the kind."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in {**request.param, "IDENTITY_ENDPOINT": "http://169.254.129.2:8081/msi/token"}.items():
        monkeypatch.setenv(name, value)
    # What it sets is taken back with the rest.
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, request.param.get(name, ""))
    keep_near()


@pytest.mark.parametrize("environment", PROXIES, indirect=True)
@pytest.mark.usefixtures("environment")
def test_what_is_near_is_asked_directly_and_azure_through_the_proxy() -> None:
    for url in NEAR:
        assert requests.utils.get_environ_proxies(url) == {}, url
        assert proxy_bypass(url.split("/")[2].split(":")[0])
    assert requests.utils.get_environ_proxies(AZURE) != {}


@pytest.mark.parametrize("given", [{"NO_PROXY": "a.b, c.d"}, {"no_proxy": "a.b,c.d"}])
def test_what_was_named_before_stays_and_a_second_call_changes_nothing(given: dict[str, str]) -> None:
    environment = {"http_proxy": "http://proxy:9", **given}
    keep_near(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"]
    assert environment["NO_PROXY"].split(",")[:2] == ["a.b", "c.d"]
    once = dict(environment)
    keep_near(environment)
    assert environment == once


@pytest.mark.parametrize("given", [{}, {"http_proxy": ""}, {"https_proxy": "http://proxy:9", "NO_PROXY": "*"}])
def test_where_no_proxy_is_used_nothing_is_set(given: dict[str, str]) -> None:
    environment = dict(given)
    keep_near(environment)
    assert environment == given


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "https://localhost:1", "https://[::1]:1", "https://127.0.0.5:1"]
)
@pytest.mark.parametrize("proxy", ["http://proxy:9", "socks5://proxy:9"])
def test_a_storage_service_on_this_machine_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str
) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert Connections(url)._proxy is None


def test_only_this_machine_and_the_platform_are_near() -> None:
    assert [
        host
        for host in ("127.0.0.1", "[::1]", "LOCALHOST", "169.254.169.254", "10.0.0.1", "localhost.example.com")
        if is_near(host)
    ] == [
        "127.0.0.1",
        "[::1]",
        "LOCALHOST",
        "169.254.169.254",
    ]
