"""Which state leads to which action, how many groups are started, and how callers share one look."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest

from pipeline_function.runners import (
    STOP_WAIT_SECONDS,
    Action,
    GroupState,
    RunnersUnavailable,
    SharedRun,
    action_for,
    ensure_running,
)
from tests.function.fakes import FakeGroups

BUSY = RunnersUnavailable("HTTP 409: ContainerGroupTransitioning")
RUNNING = GroupState(containers=("Running",), provisioning="Succeeded", state="Running")
STOPPED = GroupState(containers=("Terminated",), provisioning="Succeeded", state="Stopped")
SUCCEEDED = GroupState(containers=("Terminated",), provisioning="Succeeded", state="Succeeded")


def never() -> int:
    raise AssertionError("the backlog of a single group need not be counted")


def no_sleep(seconds: float) -> None:
    assert seconds > 0


def jobs(count: int) -> Callable[[], int]:
    return lambda: count


@pytest.mark.parametrize(
    ("group", "action"),
    [
        (RUNNING, Action.NOTHING),
        (GroupState(provisioning="Succeeded", state="Running"), Action.NOTHING),
        (GroupState(containers=(None,), provisioning="Succeeded", state="Running"), Action.NOTHING),
        (GroupState(containers=("Running", "Terminated"), provisioning="Succeeded", state="Running"), Action.NOTHING),
        (GroupState(containers=("Waiting",), provisioning="Creating", state=None), Action.NOTHING),
        (GroupState(provisioning="Pending", state=None), Action.NOTHING),
        (GroupState(provisioning="Repairing", state="Failed"), Action.NOTHING),
        (GroupState(provisioning="Succeeded", state="Pending"), Action.NOTHING),
        (GroupState(provisioning="Unhealthy", state="Running"), Action.NOTHING),
        (STOPPED, Action.START),
        (GroupState(provisioning="Failed", state=None), Action.STOP_THEN_START),
        (GroupState(containers=("Terminated",), provisioning="Succeeded", state="Running"), Action.STOP_THEN_START),
        (GroupState(containers=("Terminated",), provisioning="Succeeded", state="Terminated"), Action.STOP_THEN_START),
        (GroupState(provisioning="Succeeded", state="Failed"), Action.STOP_THEN_START),
        (SUCCEEDED, Action.STOP_THEN_START),
    ],
)
def test_each_state_has_its_action(group: GroupState, action: Action) -> None:
    assert action_for(group) is action


@pytest.mark.parametrize(
    "group", [GroupState(provisioning="Deleting", state=None), GroupState(provisioning="Succeeded", state="Dreaming")]
)
def test_a_state_in_which_nothing_can_be_done_is_an_error_that_names_it(group: GroupState) -> None:
    with pytest.raises(RunnersUnavailable, match=r"Dreaming|Deleting"):
        action_for(group)


def test_a_stopped_group_is_started_without_a_stop() -> None:
    groups = FakeGroups({"a": STOPPED})
    ensure_running(groups, ["a"], never, no_sleep)
    assert groups.calls == [("start", "a")]


def test_a_group_whose_run_ended_is_stopped_before_it_is_started() -> None:
    groups = FakeGroups({"a": SUCCEEDED})
    ensure_running(groups, ["a"], never, no_sleep)
    assert groups.calls == [("stop", "a"), ("start", "a")]


def test_a_start_waits_until_the_stop_has_come_through() -> None:
    groups = FakeGroups({"a": SUCCEEDED})
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        assert groups.calls == [("stop", "a")]
        if len(naps) == 3:
            groups.states["a"] = STOPPED

    groups.stop = lambda group_id: groups.calls.append(("stop", group_id))  # type: ignore[method-assign]
    ensure_running(groups, ["a"], never, sleep)
    assert len(naps) == 3
    assert groups.calls == [("stop", "a"), ("start", "a")]


def test_a_group_that_never_says_stopped_is_started_after_a_bounded_wait() -> None:
    groups = FakeGroups({"a": SUCCEEDED})
    naps: list[float] = []
    groups.stop = lambda group_id: groups.calls.append(("stop", group_id))  # type: ignore[method-assign]
    ensure_running(groups, ["a"], never, naps.append)
    assert sum(naps) == STOP_WAIT_SECONDS
    assert groups.calls == [("stop", "a"), ("start", "a")]


def test_a_running_group_is_left_alone() -> None:
    groups = FakeGroups({"a": RUNNING})
    ensure_running(groups, ["a"], never, no_sleep)
    assert groups.calls == []


def test_a_missing_group_is_an_error_in_the_log_with_the_fix_and_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    ensure_running(FakeGroups({"a": None}), ["a"], never, no_sleep)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "a does not exist" in errors[0]
    assert "pulumi up" in errors[0]


def test_a_group_in_transition_raises_so_that_the_event_comes_back() -> None:
    with pytest.raises(RunnersUnavailable, match="Transitioning"):
        ensure_running(FakeGroups({"a": BUSY}), ["a"], never, no_sleep)
    groups = FakeGroups({"a": STOPPED}, start_faults={"a": BUSY})
    with pytest.raises(RunnersUnavailable, match="Transitioning"):
        ensure_running(groups, ["a"], never, no_sleep)


@pytest.mark.parametrize(
    ("backlog", "started"), [(0, ["a"]), (1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"]), (99, ["a", "b", "c"])]
)
def test_as_many_groups_are_started_as_there_are_jobs_and_at_least_one(backlog: int, started: list[str]) -> None:
    groups = FakeGroups({"a": STOPPED, "b": STOPPED, "c": STOPPED})
    ensure_running(groups, ["a", "b", "c"], jobs(backlog), no_sleep)
    assert groups.calls == [("start", group_id) for group_id in started]


def test_running_groups_count_towards_the_wanted_number() -> None:
    groups = FakeGroups({"a": STOPPED, "b": RUNNING, "c": STOPPED})
    ensure_running(groups, ["a", "b", "c"], jobs(2), no_sleep)
    assert groups.calls == [("start", "a")]


def test_the_next_group_is_started_where_one_cannot_be(caplog: pytest.LogCaptureFixture) -> None:
    groups = FakeGroups({"a": BUSY, "b": None, "c": STOPPED, "d": STOPPED}, start_faults={"c": BUSY})
    ensure_running(groups, ["a", "b", "c", "d"], jobs(1), no_sleep)
    assert groups.calls == [("start", "c"), ("start", "d")]
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 2


def test_callers_at_the_same_time_share_a_run_that_began_after_each_of_them() -> None:
    first_began, go_on, guard = Event(), Event(), Lock()
    began: list[int] = []
    queued: list[int] = []

    def look() -> None:
        with guard:
            began.append(len(queued))
        first_began.set()
        assert go_on.wait(10)

    run = SharedRun(look)

    def call(number: int) -> int:
        with guard:
            queued.append(number)
            mine = len(queued)
        run()
        return mine

    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(call, 0)
        assert first_began.wait(10)
        others = [pool.submit(call, number) for number in range(1, 20)]
        while len(queued) < 20:
            time.sleep(0.01)
        # All have said that they are queued; give them the time to ask for a run as well.
        time.sleep(0.3)
        go_on.set()
        assert first.result(10) == 1
        seen = [other.result(10) for other in others]
    assert began[0] == 1
    # Each caller was on the queue when the run that it shared began, and 19 callers needed few runs.
    assert max(seen) == began[-1] == 20
    assert 2 <= len(began) <= 10


def test_a_run_that_fails_fails_for_its_callers_only() -> None:
    outcomes = iter([BUSY, None])

    def look() -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    run = SharedRun(look)
    with pytest.raises(RunnersUnavailable):
        run()
    run()
