"""The Azure Resource Manager and identity endpoints, through the clients that the function uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from infra.components.roles import Role
from infra.components.stack_roles import RUN_GROUPS
from infra.local.services.arm import READS, WRITES, ArmServer, Bucket, TransitioningError
from infra.local.services.built_in_roles import Permissions
from infra.local.services.identity import Directory, TokenServer, UnknownRoleError

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
GROUP_ID = f"{SCOPE}/providers/Microsoft.ContainerInstance/containerGroups/worker"
CONTRIBUTOR = Role.CONTAINER_INSTANCES_CONTRIBUTOR.value
READ = "Microsoft.ContainerInstance/containerGroups/read"


class FakeGroup:
    """A group whose start is done when the test says so."""

    location = "westeurope"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.done = threading.Event()
        self.transitioning = False

    def restart(self) -> None:
        self._call("restart")

    def start(self) -> threading.Event | None:
        self._call("start")
        return None if self.calls.count("start") > 1 else self.done

    def stop(self) -> None:
        self._call("stop")

    def view(self) -> dict[str, Any]:
        current = {"exitCode": 3, "finishTime": "2026-01-01T00:00:00Z", "state": "Terminated", "detailStatus": "Error"}
        container = {"name": "worker", "properties": {"image": "i", "instanceView": {"currentState": current}}}
        properties = {
            "containers": [container],
            "instanceView": {"state": "Failed"},
            "osType": "Linux",
            "provisioningState": "Succeeded",
        }
        return {"id": GROUP_ID, "location": self.location, "name": "worker", "properties": properties}

    def _call(self, name: str) -> None:
        if self.transitioning:
            raise TransitioningError
        self.calls.append(name)


@pytest.fixture
def directory() -> Directory:
    made = Directory()
    made.add_identity("client", "principal")
    made.add_identity("other-client", "other-principal")
    made.add_role("principal", GROUP_ID, CONTRIBUTOR)
    return made


@pytest.fixture
def group() -> FakeGroup:
    return FakeGroup()


@pytest.fixture
def arm(directory: Directory, group: FakeGroup, tmp_path: Path) -> Iterator[ArmServer]:
    server = ArmServer(directory, {GROUP_ID.lower(): group}, tmp_path / "authority.pem")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def tokens(directory: Directory) -> Iterator[TokenServer]:
    server = TokenServer(directory)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(
    arm: ArmServer, directory: Directory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokens: TokenServer
) -> Iterator[ContainerInstanceManagementClient]:
    monkeypatch.setenv("IDENTITY_ENDPOINT", tokens.url)
    monkeypatch.setenv("IDENTITY_HEADER", directory.add_site({"client", "other-client"}))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with managed(arm, "client") as made:
        yield made


def managed(arm: ArmServer, client_id: str, scope: str = "") -> ContainerInstanceManagementClient:
    return ContainerInstanceManagementClient(
        ManagedIdentityCredential(client_id=client_id),
        SUBSCRIPTION,
        base_url=arm.url,
        credential_scopes=[f"{scope or arm.url}/.default"],
        retry_total=0,
    )


def test_a_group_is_shown_in_the_shape_of_the_api(client: ContainerInstanceManagementClient) -> None:
    group = client.container_groups.get("rg", "worker")
    assert group.instance_view is not None
    assert group.instance_view.state == "Failed"
    assert group.containers[0].instance_view is not None
    state = group.containers[0].instance_view.current_state
    assert state is not None
    assert (state.state, state.exit_code, state.detail_status) == ("Terminated", 3, "Error")
    assert state.finish_time is not None
    assert state.finish_time.year == 2026


def test_a_start_is_polled_until_the_group_runs(client: ContainerInstanceManagementClient, group: FakeGroup) -> None:
    poller = client.container_groups.begin_start("rg", "worker")
    assert not poller.done()
    group.done.set()
    poller.result(timeout=10)
    assert poller.status() == "Succeeded"
    client.container_groups.begin_start("rg", "worker").result(timeout=10)
    assert group.calls == ["start", "start"]


def test_stop_and_restart_reach_the_group(client: ContainerInstanceManagementClient, group: FakeGroup) -> None:
    client.container_groups.stop("rg", "worker")
    client.container_groups.begin_restart("rg", "worker").result(timeout=10)
    assert group.calls == ["stop", "restart"]


def test_a_group_in_between_answers_409(client: ContainerInstanceManagementClient, group: FakeGroup) -> None:
    group.transitioning = True
    for call in (
        client.container_groups.begin_start,
        client.container_groups.stop,
        client.container_groups.begin_restart,
    ):
        with pytest.raises(HttpResponseError) as raised:
            call("rg", "worker")
        assert raised.value.status_code == 409
        assert raised.value.error is not None
        assert raised.value.error.code == "ContainerGroupTransitioning"
    assert group.calls == []


def test_an_identity_without_a_role_is_refused(
    arm: ArmServer, client: ContainerInstanceManagementClient, group: FakeGroup
) -> None:
    assert client
    with managed(arm, "other-client") as other, pytest.raises(HttpResponseError) as raised:
        other.container_groups.stop("rg", "worker")
    assert raised.value.status_code == 403
    assert group.calls == []


def test_an_identity_may_do_what_its_role_allows_and_nothing_else(
    arm: ArmServer, client: ContainerInstanceManagementClient, directory: Directory, group: FakeGroup
) -> None:
    assert client
    directory.define("own-role", Permissions(actions=RUN_GROUPS.actions, data_actions=RUN_GROUPS.data_actions))
    directory.add_role("other-principal", SCOPE, "own-role")
    group.done.set()
    with managed(arm, "other-client") as other:
        other.container_groups.get("rg", "worker")
        other.container_groups.begin_start("rg", "worker").result(timeout=10)
        other.container_groups.stop("rg", "worker")
        with pytest.raises(HttpResponseError, match=r"action 'Microsoft.ContainerInstance/containerGroups/restart"):
            other.container_groups.begin_restart("rg", "worker")
    assert group.calls == ["start", "stop"]
    for verb in ("write", "delete", "containers/exec/action"):
        assert not directory.may("other-principal", f"Microsoft.ContainerInstance/containerGroups/{verb}", GROUP_ID)
        assert directory.may("principal", f"Microsoft.ContainerInstance/containerGroups/{verb}", GROUP_ID)


def test_a_role_that_is_not_there_cannot_be_given() -> None:
    with pytest.raises(UnknownRoleError, match="there is no role 'nobody-s'"):
        Directory().add_role("principal", SCOPE, "/subscriptions/s/providers/x/roleDefinitions/nobody-s")


def test_a_role_above_the_group_reaches_it_and_one_beside_it_does_not(directory: Directory) -> None:
    directory.add_role("above", SCOPE.upper(), CONTRIBUTOR)
    directory.add_role("beside", f"{GROUP_ID}-2", CONTRIBUTOR)
    directory.add_role("beside", GROUP_ID[:-1], CONTRIBUTOR)
    assert directory.may("above", READ, GROUP_ID)
    assert not directory.may("beside", READ, GROUP_ID)


def test_a_new_role_is_not_in_force_at_once(tmp_path: Path) -> None:
    directory = Directory(young_checks=2)
    directory.add_role("principal", SCOPE, CONTRIBUTOR)
    assert [directory.may("principal", READ, GROUP_ID) for _ in range(4)] == [False, False, True, True]
    # What it has already stays in force, whatever is added.
    directory.add_role("principal", f"{SCOPE}/", CONTRIBUTOR.upper())
    directory.add_role("principal", GROUP_ID, CONTRIBUTOR)
    assert directory.may("principal", READ, GROUP_ID)


def test_a_role_on_a_group_ends_with_it_and_one_above_it_does_not() -> None:
    directory = Directory(young_checks=1)
    directory.add_role("on", GROUP_ID, CONTRIBUTOR)
    directory.add_role("above", SCOPE, CONTRIBUTOR)
    for principal in ("on", "above"):
        assert [directory.may(principal, READ, GROUP_ID) for _ in range(2)] == [False, True]
    directory.forget(GROUP_ID.upper())
    assert not directory.may("on", READ, GROUP_ID)
    assert directory.may("above", READ, GROUP_ID)
    # Given again it has to come into force again.
    assert directory.add_role("on", GROUP_ID, CONTRIBUTOR)
    assert [directory.may("on", READ, GROUP_ID) for _ in range(2)] == [False, True]


def test_a_missing_group_answers_404(client: ContainerInstanceManagementClient, directory: Directory) -> None:
    directory.add_role("principal", SCOPE, CONTRIBUTOR)
    with pytest.raises(ResourceNotFoundError) as raised:
        client.container_groups.get("rg", "nobody")
    assert raised.value.error is not None
    assert raised.value.error.code == "ResourceNotFound"


def test_a_token_for_another_resource_is_refused(arm: ArmServer, client: ContainerInstanceManagementClient) -> None:
    assert client
    with (
        managed(arm, "client", scope="https://vault.azure.net") as other,
        pytest.raises(ClientAuthenticationError, match="access token"),
    ):
        other.container_groups.get("rg", "worker")


def test_only_identities_of_the_app_get_tokens(
    client: ContainerInstanceManagementClient, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client
    monkeypatch.setenv("IDENTITY_HEADER", directory.add_site({"client"}))
    assert ManagedIdentityCredential(client_id="client").get_token("https://x/.default").token
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential(client_id="other-client").get_token("https://x/.default")
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential(client_id="client").get_token("https://y/.default")


@pytest.mark.parametrize(("size", "each_second"), [READS, WRITES])
def test_a_principal_has_a_bucket_of_requests_that_fills_up_again(size: float, each_second: float) -> None:
    moment = 0.0
    bucket = Bucket(size, each_second, lambda: moment)
    assert [bucket.take() for _ in range(int(size) + 1)] == [True] * int(size) + [False]
    moment += 1
    assert [bucket.take() for _ in range(int(each_second) + 1)] == [True] * int(each_second) + [False]
    moment += 3600
    assert [bucket.take() for _ in range(int(size) + 1)] == [True] * int(size) + [False]


def test_too_many_requests_are_throttled_for_each_principal_and_kind_alone(
    arm: ArmServer, client: ContainerInstanceManagementClient, directory: Directory
) -> None:
    directory.add_role("other-principal", GROUP_ID, CONTRIBUTOR)
    arm.buckets["principal", True] = Bucket(1, 0)
    client.container_groups.get("rg", "worker")
    with pytest.raises(HttpResponseError) as raised:
        client.container_groups.get("rg", "worker")
    assert raised.value.status_code == 429
    assert raised.value.error is not None
    assert raised.value.error.code == "SubscriptionRequestsThrottled"
    client.container_groups.stop("rg", "worker")
    with managed(arm, "other-client") as other:
        other.container_groups.get("rg", "worker")
