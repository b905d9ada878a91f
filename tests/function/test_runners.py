"""Which state leads to which action, and how many groups are started."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_app.contract import EXIT_REFUSED, EXIT_SETTINGS
from pipeline_app.contract.function_events import RunnerHeld, RunnerRefused
from pipeline_function.runners import Action, GroupState, Look, RunnersUnavailable, action_for, ensure_running
from tests.function.fakes import MOMENT, FakeGroups
from tests.logged import logged

BUSY = RunnersUnavailable("HTTP 409: ContainerGroupTransitioning")
ENDING = GroupState(containers=("Terminated",), provisioning="Succeeded", state="Running")
RUNNING = GroupState(containers=("Running",), provisioning="Succeeded", state="Running")
STOPPED = GroupState(containers=("Terminated",), provisioning="Succeeded", state="Stopped")
SUCCEEDED = GroupState(containers=("Terminated",), provisioning="Succeeded", state="Succeeded")


def failed(code: int | None, ago: timedelta | None, state: str = "Failed") -> GroupState:
    """Return a group whose worker ended with a code, so long before the test's moment."""
    finished = None if ago is None else MOMENT - ago
    return GroupState(
        containers=("Terminated",), exit_code=code, finished=finished, provisioning="Succeeded", state=state
    )


def never() -> int:
    raise AssertionError("the backlog of a single group need not be counted")


def jobs(count: int) -> Callable[[], int]:
    return lambda: count


@pytest.mark.parametrize(
    ("group", "action"),
    [
        (RUNNING, Action.LEAVE),
        (GroupState(provisioning="Succeeded", state="Running"), Action.LEAVE),
        (GroupState(containers=(None,), provisioning="Succeeded", state="Running"), Action.LEAVE),
        (GroupState(containers=("Running", "Terminated"), provisioning="Succeeded", state="Running"), Action.LEAVE),
        (GroupState(containers=("Waiting",), provisioning="Creating", state=None), Action.LEAVE),
        (GroupState(provisioning="Pending", state=None), Action.LEAVE),
        (GroupState(provisioning="Repairing", state="Failed"), Action.LEAVE),
        (GroupState(provisioning="Succeeded", state="Pending"), Action.LEAVE),
        (GroupState(provisioning="Unhealthy", state="Running"), Action.LEAVE),
        (ENDING, Action.LOOK_AGAIN),
        (STOPPED, Action.START),
        (GroupState(provisioning="Failed", state=None), Action.START),
        (GroupState(containers=("Terminated",), provisioning="Succeeded", state="Terminated"), Action.START),
        (GroupState(provisioning="Succeeded", state="Failed"), Action.START),
        (SUCCEEDED, Action.START),
    ],
)
def test_each_state_has_its_action(group: GroupState, action: Action) -> None:
    assert action_for(group, MOMENT) is action


@pytest.mark.parametrize(
    ("group", "action"),
    [
        (failed(EXIT_REFUSED, timedelta(0)), Action.HOLD),
        (failed(EXIT_REFUSED, timedelta(minutes=29)), Action.HOLD),
        (failed(EXIT_REFUSED, timedelta(minutes=30)), Action.START),
        (failed(EXIT_SETTINGS, timedelta(minutes=4)), Action.HOLD),
        (failed(EXIT_SETTINGS, timedelta(minutes=5)), Action.START),
        # What was killed, or broke off at one file, goes on at once: a job's own tries bound that.
        (failed(1, timedelta(0)), Action.START),
        (failed(137, timedelta(0)), Action.START),
        (failed(None, timedelta(0)), Action.START),
        (failed(EXIT_REFUSED, None), Action.START),
        (failed(EXIT_REFUSED, timedelta(0), state="Stopped"), Action.START),
    ],
)
def test_a_worker_that_would_end_so_again_is_left_alone_for_a_while(group: GroupState, action: Action) -> None:
    assert action_for(group, MOMENT) is action


@pytest.mark.parametrize(
    "group", [GroupState(provisioning="Deleting", state=None), GroupState(provisioning="Succeeded", state="Dreaming")]
)
def test_a_state_in_which_nothing_can_be_done_is_an_error_that_names_it(group: GroupState) -> None:
    with pytest.raises(RunnersUnavailable, match=r"Dreaming|Deleting"):
        action_for(group, MOMENT)


@pytest.mark.parametrize("state", [STOPPED, SUCCEEDED, failed(1, timedelta(0))])
def test_a_group_whose_run_ended_is_started_and_nothing_else(state: GroupState) -> None:
    groups = FakeGroups({"a": state})
    assert ensure_running(groups, ["a"], never) == Look(calm=True, requests=2)
    assert groups.calls == [("start", "a")]


def test_a_running_group_is_left_alone() -> None:
    groups = FakeGroups({"a": RUNNING})
    assert ensure_running(groups, ["a"], never) == Look(calm=True, requests=1)
    assert groups.calls == []


def test_a_group_that_says_running_after_its_worker_has_ended_is_looked_at_again_soon() -> None:
    groups = FakeGroups({"a": ENDING})
    assert ensure_running(groups, ["a"], never) == Look(calm=False, requests=1)
    assert groups.calls == []


def test_a_group_on_hold_is_not_started_and_the_log_says_until_when(caplog: pytest.LogCaptureFixture) -> None:
    groups = FakeGroups({"a": failed(EXIT_REFUSED, timedelta(minutes=1)), "b": STOPPED})
    assert ensure_running(groups, ["a", "b"], jobs(1), lambda: MOMENT).calm
    assert groups.calls == []
    finished = "2026-01-31T11:59:00+00:00"
    (held,) = logged(caplog)
    assert held == RunnerHeld(exit_code=EXIT_REFUSED, finished=finished, group="a", hold_seconds=1800)
    assert "exit code 3 at 2026-01-31 11:59:00+00:00" in held.sentence()
    assert "0:30:00 later" in held.sentence()


def test_a_missing_group_is_an_error_in_the_log_with_the_fix_and_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert not ensure_running(FakeGroups({"a": None}), ["a"], never).calm
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "a does not exist" in errors[0]
    assert "pulumi up" in errors[0]


@pytest.mark.parametrize("groups", [FakeGroups({"a": BUSY}), FakeGroups({"a": STOPPED}, start_faults={"a": BUSY})])
def test_what_azure_refuses_is_told_and_looked_at_again_soon(
    groups: FakeGroups, caplog: pytest.LogCaptureFixture
) -> None:
    assert not ensure_running(groups, ["a"], never).calm
    warnings = [event for event in logged(caplog) if event.level == logging.WARNING]
    assert warnings == [RunnerRefused(group="a", problem=str(BUSY))]


@pytest.mark.parametrize(
    ("backlog", "started"), [(0, ["a"]), (1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"]), (99, ["a", "b", "c"])]
)
def test_as_many_groups_are_started_as_there_are_jobs_and_at_least_one(backlog: int, started: list[str]) -> None:
    groups = FakeGroups({"a": STOPPED, "b": STOPPED, "c": STOPPED})
    assert ensure_running(groups, ["a", "b", "c"], jobs(backlog)) == Look(calm=True, requests=3 + len(started))
    assert groups.calls == [("start", group_id) for group_id in started]


def test_running_groups_count_towards_the_wanted_number() -> None:
    groups = FakeGroups({"a": STOPPED, "b": RUNNING, "c": STOPPED})
    ensure_running(groups, ["a", "b", "c"], jobs(2))
    assert groups.calls == [("start", "a")]


def test_one_group_is_started_where_the_jobs_cannot_be_counted(caplog: pytest.LogCaptureFixture) -> None:
    def refused() -> int:
        raise RunnersUnavailable("Could not count the jobs.")

    groups = FakeGroups({"a": STOPPED, "b": STOPPED})
    assert not ensure_running(groups, ["a", "b"], refused).calm
    assert groups.calls == [("start", "a")]
    assert "Could not count the jobs." in caplog.text


def test_the_next_group_is_started_where_one_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    groups = FakeGroups({"a": BUSY, "b": None, "c": STOPPED, "d": STOPPED}, start_faults={"c": BUSY})
    assert ensure_running(groups, ["a", "b", "c", "d"], jobs(1)).calm
    assert groups.calls == [("start", "c"), ("start", "d")]
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 2
