"""Seeing that the container groups run: what to do for which state, and one look for many callers at once.

Pure: the groups are reached through the ``Groups`` protocol.

Source of the states: https://learn.microsoft.com/azure/container-instances/container-state
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Final, Protocol

LOGGER = logging.getLogger(__name__)

# A group in one of these provisioning states is on its way to running, and its worker looks at the queue first.
ARRIVING: Final = frozenset({"creating", "pending", "repairing", "unhealthy", "updating"})
# The group's own words for a run that ended are Succeeded and Failed; Terminated is the container's word for both.
ENDED: Final = frozenset({"failed", "succeeded", "terminated"})

STOP_POLL_SECONDS: Final = 1.0
STOP_WAIT_SECONDS: Final = 20.0


class Action(Enum):
    """What to do with a group so that it runs."""

    NOTHING = "nothing"
    START = "start"
    STOP_THEN_START = "stop-then-start"


class RunnersUnavailable(Exception):
    """No container group could be made to run now; a later try may succeed."""


@dataclass(frozen=True, kw_only=True)
class GroupState:
    """What Azure says about a group, in its words; ``None`` where it says nothing.

    Attributes:
        provisioning: the state of the last operation on the group, such as ``Creating``.
        state: the state of the group, such as ``Running`` or ``Stopped``.
        containers: the current state of each container, such as ``Terminated``.
    """

    provisioning: str | None
    state: str | None
    containers: tuple[str | None, ...] = ()


class Groups(Protocol):
    """Container groups by resource id. All methods raise ``RunnersUnavailable`` for what a later try may mend."""

    def state(self, group_id: str) -> GroupState | None:
        """Return the state of a group, or None if there is no such group."""

    def start(self, group_id: str) -> None:
        """Ask for a start; does not wait until the group runs."""

    def stop(self, group_id: str) -> None:
        """Ask for a stop; does not wait until the group has stopped."""


def action_for(group: GroupState) -> Action:
    """Return what to do with a group in this state.

    Raises:
        RunnersUnavailable: the group is being deleted, or is in a state not known here.
    """
    provisioning, state = (group.provisioning or "").lower(), (group.state or "").lower()
    if provisioning in ARRIVING or state == "pending":
        return Action.NOTHING
    if state == "running":
        # The group's state lags behind its containers: it says Running for a while after the worker has exited.
        ended = bool(group.containers) and all((each or "").lower() == "terminated" for each in group.containers)
        return Action.STOP_THEN_START if ended else Action.NOTHING
    if state == "stopped":
        return Action.START
    if state in ENDED or (not state and provisioning == "failed"):
        return Action.STOP_THEN_START
    raise RunnersUnavailable(
        f"The container group is in the state {group.state!r} (provisioning: {group.provisioning!r}), "
        "in which it can be neither started nor left alone. It is looked at again."
    )


def ensure_running(
    groups: Groups, group_ids: Sequence[str], backlog: Callable[[], int], sleep: Callable[[float], None] = time.sleep
) -> None:
    """See that as many groups run as there are jobs, at least one and at most all.

    A group that does not exist is logged as an error and passed over: the job is on the queue already, so the next
    sweep after the group has been deployed starts it, while raising would only use up the event's tries.

    Args:
        groups: the container groups.
        group_ids: their resource ids, in the order in which they are started.
        backlog: returns the number of jobs; called only where there is more than one group.
        sleep: waits for seconds.

    Raises:
        RunnersUnavailable: there is a group, and none runs or could be started.
    """
    wanted = 1 if len(group_ids) == 1 else min(max(backlog(), 1), len(group_ids))
    problems: list[RunnersUnavailable] = []
    idle: list[tuple[str, Action]] = []
    running = 0
    for group_id in group_ids:
        try:
            if (state := groups.state(group_id)) is None:
                LOGGER.error(
                    "The container group %s does not exist. Run 'pulumi up' to deploy it; the jobs stay on the queue.",
                    group_id,
                )
                continue
            action = action_for(state)
        except RunnersUnavailable as problem:
            problems.append(problem)
            continue
        if action is Action.NOTHING:
            running += 1
        else:
            idle.append((group_id, action))
    for group_id, action in idle:
        if running >= wanted:
            break
        try:
            _start(groups, group_id, action, sleep)
        except RunnersUnavailable as problem:
            problems.append(problem)
        else:
            running += 1
    if problems and not running:
        raise problems[0]
    for left in problems:
        LOGGER.warning("A container group was left as it is, since others run: %s", left)


def _start(groups: Groups, group_id: str, action: Action, sleep: Callable[[float], None]) -> None:
    if action is Action.STOP_THEN_START:
        LOGGER.info("Stopping the container group %s, whose last run has ended, to start it again.", group_id)
        groups.stop(group_id)
        waited = 0.0
        # A start is refused while the stop is under way. If Azure never says Stopped, the start itself decides.
        while waited < STOP_WAIT_SECONDS and _ended(groups.state(group_id)):
            sleep(STOP_POLL_SECONDS)
            waited += STOP_POLL_SECONDS
    LOGGER.info("Starting the container group %s.", group_id)
    groups.start(group_id)


def _ended(group: GroupState | None) -> bool:
    return group is not None and action_for(group) is Action.STOP_THEN_START


class SharedRun:
    """Runs work for callers that ask at the same time, so that all of them share one run that began after they asked.

    A caller that comes while a run is under way shares the next run instead, because the present one may have
    looked before the caller's job was there. Nothing is remembered between runs, so nothing is ever stale.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = Lock()
        self._next: Future[None] | None = None
        self._turn = Lock()

    def __call__(self) -> None:
        """Return when a run that began after this call has ended.

        Raises:
            Exception: what the work raised, for each caller that shared the run.
        """
        with self._lock:
            leads = self._next is None
            if self._next is None:
                self._next = Future()
            run = self._next
        if leads:
            with self._turn:
                with self._lock:
                    self._next = None
                try:
                    self._work()
                except BaseException as error:
                    run.set_exception(error)
                else:
                    run.set_result(None)
        run.result()
