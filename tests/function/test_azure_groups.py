"""Container groups through the real management client, against Azure Resource Manager on loopback."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from azure.core.credentials import AccessToken

from pipeline_function.azure import AzureGroups
from pipeline_function.runners import RunnersUnavailable, SharedRun, ensure_running
from tests.function.fakes import Arm, group_id


class Credential:
    """A credential whose token says for which scopes it was asked."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken(f"token-for-{','.join(scopes)}", int(time.time()) + 3600)


@pytest.fixture
def groups(arm: Arm) -> AzureGroups:
    return AzureGroups(arm.url, Credential())


def ensure(groups: AzureGroups, *names: str, jobs: int = 1) -> None:
    ensure_running(groups, [group_id(name) for name in names], lambda: jobs, lambda seconds: None)


@pytest.mark.parametrize(
    ("state", "provisioning", "container", "requests"),
    [
        ("Failed", "Succeeded", "Terminated", ["GET", "stop", "GET", "start"]),
        ("Pending", "Succeeded", "Waiting", ["GET"]),
        ("Running", "Succeeded", "Running", ["GET"]),
        ("Running", "Succeeded", "Terminated", ["GET", "stop", "GET", "start"]),
        ("Stopped", "Succeeded", "Terminated", ["GET", "start"]),
        ("Succeeded", "Succeeded", "Terminated", ["GET", "stop", "GET", "start"]),
        ("Terminated", "Succeeded", "Terminated", ["GET", "stop", "GET", "start"]),
        (None, "Creating", "Waiting", ["GET"]),
    ],
)
def test_each_state_leads_to_its_requests(
    arm: Arm, groups: AzureGroups, state: str | None, provisioning: str, container: str, requests: list[str]
) -> None:
    arm.have("group", container=container, provisioning=provisioning, state=state)
    ensure(groups, "group")
    assert arm.requests == [(verb, "group") for verb in requests]


def test_the_token_is_for_this_resource_manager(arm: Arm, groups: AzureGroups) -> None:
    arm.have("group", state="Running")
    ensure(groups, "group")
    assert arm.tokens == {f"Bearer token-for-{arm.url}/.default"}


def test_a_missing_group_is_no_failure_and_is_named_with_the_fix(
    arm: Arm, groups: AzureGroups, caplog: pytest.LogCaptureFixture
) -> None:
    ensure(groups, "gone")
    assert arm.requests == [("GET", "gone")]
    assert f"{group_id('gone')} does not exist" in caplog.text
    assert "pulumi up" in caplog.text


@pytest.mark.parametrize(("state", "verb"), [("Stopped", "start"), ("Succeeded", "stop")])
def test_a_group_in_transition_raises_at_once(arm: Arm, groups: AzureGroups, state: str, verb: str) -> None:
    arm.have("group", state=state)
    arm.refuse(verb, 409, "ContainerGroupTransitioning")
    with pytest.raises(RunnersUnavailable, match=rf"{verb} .*{group_id()} \(HTTP 409: .*ContainerGroupTransitioning"):
        ensure(groups, "group")
    assert [made for made, _ in arm.requests].count(verb) == 1


@pytest.mark.parametrize("verb", ["GET", "start", "stop"])
def test_throttling_is_waited_out_as_long_as_retry_after_says(arm: Arm, groups: AzureGroups, verb: str) -> None:
    arm.have("group", state="Succeeded" if verb == "stop" else "Stopped")
    arm.refuse(verb, 429, "TooManyRequests", Retry_After="1")
    began = time.monotonic()
    ensure(groups, "group")
    assert time.monotonic() - began >= 1
    assert arm.requests.count((verb, "group")) >= 2
    assert arm.requests[-1] == ("start", "group")


def test_throttling_that_goes_on_raises_so_that_the_event_comes_back(arm: Arm, groups: AzureGroups) -> None:
    arm.have("group", state="Stopped")
    for _ in range(4):
        arm.refuse("start", 429, "TooManyRequests", Retry_After="0")
    with pytest.raises(RunnersUnavailable, match="HTTP 429"):
        ensure(groups, "group")


def test_a_refused_identity_raises_with_what_azure_says(arm: Arm, groups: AzureGroups) -> None:
    arm.refuse("GET", 403, "AuthorizationFailed")
    with pytest.raises(RunnersUnavailable, match=r"HTTP 403: .*AuthorizationFailed"):
        ensure(groups, "group")


def test_an_endpoint_out_of_reach_raises(arm: Arm) -> None:
    groups = AzureGroups("https://127.0.0.1:9", Credential())
    with pytest.raises(RunnersUnavailable, match="read the container group"):
        ensure(groups, "group")


def test_only_as_many_groups_are_started_as_there_are_jobs(arm: Arm, groups: AzureGroups) -> None:
    for name in ("a", "b", "c"):
        arm.have(name, state="Stopped")
    ensure(groups, "a", "b", "c", jobs=2)
    assert [request for request in arm.requests if request[0] == "start"] == [("start", "a"), ("start", "b")]


def test_many_dispatches_at_once_share_reads_of_the_group(arm: Arm, groups: AzureGroups) -> None:
    arm.have("group", state="Running")
    reading, go_on = Event(), Event()

    def hold() -> None:
        reading.set()
        assert go_on.wait(10)

    arm.on_request = hold
    run = SharedRun(lambda: ensure(groups, "group"))
    with ThreadPoolExecutor(32) as pool:
        calls = [pool.submit(run) for _ in range(32)]
        assert reading.wait(10)
        time.sleep(0.3)
        go_on.set()
        for call in calls:
            call.result(10)
    assert 1 <= len(arm.requests) <= 16
