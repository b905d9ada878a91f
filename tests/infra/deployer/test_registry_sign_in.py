"""The deployer's own token opens the registry, and whoever may not push is told so before anything is built."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from infra.deployer import registry_sign_in, resource_manager
from infra.deployer.registry_sign_in import REMEDY, RegistryError, push_token, scheme_of
from tests.engine.standin.registries import AUDIENCE
from tests.engine.standin.sign_in import ARM_AUDIENCE, Principal, token_of
from tests.infra.azure import DEPLOYER, GROUP, Azure
from tests.infra.registry import ENTRA_TOKEN, Registry, running_registry

NAME = "file-processing/csvreport_v1.0.0"
SERVER = "images.azurecr.io"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running_registry() as registry:
        yield registry


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing that may pass."""
    monkeypatch.setattr(registry_sign_in, "RETRIES", 0)
    monkeypatch.setattr(resource_manager, "PASSING_SECONDS", 0)


@pytest.fixture
def in_azure(azure: Azure) -> Azure:
    """Azure with a registry."""
    with azure.cloud.open() as content:
        content["resources"][f"{GROUP}/Microsoft.ContainerRegistry/registries/images"] = {
            "inputs": {},
            "name": "images",
            "outputs": {"loginServer": SERVER},
            "type": "azure-native:containerregistry:Registry",
        }
    return azure


def test_each_sign_in_gives_another_token_and_leaves_no_upload_open(registry: Registry) -> None:
    tokens = {push_token(registry.server, NAME, ENTRA_TOKEN) for _ in range(2)}

    assert {registry.tokens[token] for token in tokens} == {"refresh"}
    assert len(tokens) == 2
    assert list(registry.uploads.values()) == [False, False]


def test_azure_takes_the_deployers_token_for_registries(in_azure: Azure) -> None:
    assert push_token(SERVER, NAME, token_of(DEPLOYER, AUDIENCE))
    assert in_azure.cloud.read()["uploads"] == []


@pytest.mark.parametrize(
    ("principal", "audience", "right", "doing"),
    [
        (DEPLOYER, ARM_AUDIENCE, "push", f"sign in to {SERVER}"),
        (DEPLOYER, AUDIENCE, "none", f"sign in to {SERVER}"),
        (DEPLOYER, AUDIENCE, "pull", f"push to {SERVER}/{NAME}"),
        (Principal("oidc", DEPLOYER.client), AUDIENCE, "push", f"sign in to {SERVER}"),
    ],
    ids=["other-audience", "no-right", "pull-alone", "other-principal"],
)
@pytest.mark.usefixtures("at_once")
def test_whoever_may_not_push_is_told_what_to_do(
    in_azure: Azure, audience: str, doing: str, principal: Principal, right: str
) -> None:
    with in_azure.cloud.open() as content:
        content["registry_right"] = right
    with pytest.raises(RegistryError) as failure:
        push_token(SERVER, NAME, token_of(principal, audience))

    text = str(failure.value)
    assert text.startswith(f"The registry did not let the deployer {doing}: 401 ")
    assert "UNAUTHORIZED" in text
    assert text.endswith(REMEDY)


def test_a_right_that_is_minutes_old_is_waited_for(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            registry.actions = {"pull", "push"}

    monkeypatch.setattr("tenacity.nap.time.sleep", sleep)
    registry.actions = {"pull"}
    registry.refusals = [401, 403]

    assert registry.tokens[push_token(registry.server, NAME, ENTRA_TOKEN)] == "refresh"
    assert len(slept) == 3


def test_what_does_not_pass_is_said_at_once_without_the_token(
    registry: Registry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry repeats the token in its answer."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: pytest.fail("it waited"))
    registry.refusals = [400]
    with pytest.raises(RegistryError, match=r"400 UNAUTHORIZED …") as failure:
        push_token(registry.server, NAME, ENTRA_TOKEN)

    assert "SECRET" not in f"{failure.value}{caplog.text}"
    push_token(registry.server, NAME, ENTRA_TOKEN)
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("answer", [b"", b"<html>Sign in</html>", b"[]", b"{}", b'{"refresh_token": 1}'])
def test_an_answer_that_is_none_of_a_registry_is_told(registry: Registry, answer: bytes) -> None:
    registry.answer = answer
    with pytest.raises(RegistryError, match=f"^{registry.server} answered a sign-in without refresh_token"):
        push_token(registry.server, NAME, ENTRA_TOKEN)


@pytest.mark.usefixtures("at_once")
def test_a_registry_that_gives_no_answer_is_named(registry: Registry) -> None:
    server = registry.server
    registry.server_close()
    with pytest.raises(RegistryError, match=f"^{server} gives no answer: "):
        push_token(server, NAME, ENTRA_TOKEN)


def test_an_upload_that_is_to_go_on_elsewhere_takes_no_token_there(registry: Registry) -> None:
    with running_registry() as other:
        registry.uploads_at = f"http://{other.server}"
        assert push_token(registry.server, NAME, ENTRA_TOKEN)

        assert list(registry.uploads.values()) == [True]
        assert other.uploads == {}


@pytest.mark.parametrize(
    ("server", "scheme"),
    [
        ("127.0.0.1:5000", "http"),
        ("[::1]:5000", "http"),
        ("localhost", "http"),
        (SERVER, "https"),
        ("10.0.0.1", "https"),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(server: str, scheme: str) -> None:
    assert scheme_of(server) == scheme
