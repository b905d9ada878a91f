"""The local registry lets the deployer sign in as Azure's does, and nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest, HttpResponse

from infra.deployer import registry_sign_in, resource_manager
from infra.deployer.registry_sign_in import RegistryError, push_token
from infra.local.services.registry import PORTS, RegistryServer

NAME = "file-processing/csvreport_v1.0.0"
SEED = 4711


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    """A registry that takes one token; what it refuses is refused for good."""
    monkeypatch.setattr(resource_manager, "PASSING_SECONDS", 0)
    monkeypatch.setattr(registry_sign_in, "RETRIES", 0)
    with RegistryServer("the deployer's", SEED) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def post(registry: RegistryServer, path: str, form: dict[str, str], token: str = "") -> HttpResponse:
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(base_url="http://127.0.0.1", policies=[])
    url = f"http://{registry.login_server}{path}"
    with client:
        return client.send_request(HttpRequest("POST", url, data=form, headers={"Authorization": f"Bearer {token}"}))


def test_the_deployer_gets_a_token_and_nobody_else(registry: RegistryServer) -> None:
    assert registry.meaning(push_token(registry.login_server, NAME, "the deployer's")) == "refresh"
    with pytest.raises(RegistryError, match=r"did not let the deployer sign in to 127\.0\.0\.1:.* 401"):
        push_token(registry.login_server, NAME, "somebody's")


@pytest.mark.parametrize(
    "wrong",
    [
        {"grant_type": "password"},
        {"service": "other.azurecr.io"},
    ],
)
@pytest.mark.parametrize("path", ["exchange", "token"])
def test_a_request_that_azure_would_not_take_is_refused(
    registry: RegistryServer, path: str, wrong: dict[str, str]
) -> None:
    kind = "access_token" if path == "exchange" else "refresh_token"
    token = "the deployer's" if path == "exchange" else registry.issue("refresh")
    form = {"grant_type": kind, "scope": "s", "service": registry.login_server, kind: token}

    assert post(registry, f"/oauth2/{path}", form).status_code == 200
    assert post(registry, f"/oauth2/{path}", form | wrong).status_code == 400
    assert post(registry, f"/oauth2/{path}", form | {kind: "other"}).status_code == 401


def test_an_upload_takes_the_right_to_push_to_that_repository(registry: RegistryServer) -> None:
    rights = {
        f"repository:{NAME}:pull": 401,
        f"repository:{NAME}:pull,push": 202,
        "repository:other:pull,push": 401,
        "refresh": 401,
    }
    path = f"/v2/{NAME}/blobs/uploads/"

    assert {right: post(registry, path, {}, registry.issue(right)).status_code for right in rights} == rights


def test_images_are_called_the_same_in_each_run_where_the_port_is_free(registry: RegistryServer) -> None:
    assert registry.server_port == PORTS[SEED] or registry.server_port not in PORTS
    with RegistryServer("the deployer's", SEED) as second:
        assert second.server_port != registry.server_port
