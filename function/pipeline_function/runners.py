"""Seeing that the container groups run: what to do for which state, and how many groups are wanted.

Pure: the groups are reached through the ``Groups`` protocol.

Sources: https://learn.microsoft.com/azure/container-instances/container-state for the states, and
https://learn.microsoft.com/azure/container-instances/container-instances-stop-start for what starts a group.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Protocol

from pipeline_app.contract import EXIT_REFUSED, EXIT_SETTINGS
from pipeline_app.contract.function_events import RunnerHeld, RunnerMissing, RunnerRefused, RunnerStarting
from pipeline_app.contract.log_lines import tell

LOGGER = logging.getLogger(__name__)

# A group in one of these provisioning states is on its way to running, and its worker looks at the queue first.
ARRIVING: Final = frozenset({"creating", "pending", "repairing", "unhealthy", "updating"})
# The group's own words for a run that ended are Succeeded and Failed, and Stopped where somebody stopped it;
# Terminated is the container's word for all of them. POST start starts each; POST stop has no effect on the ended.
ENDED: Final = frozenset({"failed", "stopped", "succeeded", "terminated"})

# A worker that ended with one of these codes would end so again. It costs money while it finds that out, and a start
# with every event would be a storm, so the group is left alone for a while. Azure remembers when the run ended.
HOLD: Final[Mapping[int, timedelta]] = {EXIT_REFUSED: timedelta(minutes=30), EXIT_SETTINGS: timedelta(minutes=5)}

# A request to Azure Resource Manager is not tried again while the function waits, which costs: a wake-up, or the next
# sweep, is to come.
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 20


class Action(Enum):
    """What to do with a group so that it runs."""

    HOLD = "hold"
    LEAVE = "leave"
    LOOK_AGAIN = "look-again"
    START = "start"


class RunnersUnavailable(Exception):
    """A container group could not be looked at or started now; a later try may succeed."""


@dataclass(frozen=True, kw_only=True)
class GroupState:
    """What Azure says about a group, in its words; ``None`` where it says nothing.

    Attributes:
        provisioning: the state of the last operation on the group, such as ``Creating``.
        state: the state of the group, such as ``Running`` or ``Stopped``.
        containers: the current state of each container, such as ``Terminated``.
        exit_code: of the first container, where it has ended.
        finished: when that was, with a time zone.
    """

    provisioning: str | None
    state: str | None
    containers: tuple[str | None, ...] = ()
    exit_code: int | None = None
    finished: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at the groups came to.

    Attributes:
        calm: as many groups as are wanted run, are about to, or are to be left alone, as far as Azure says.
        requests: how many requests Azure Resource Manager was asked.
    """

    calm: bool
    requests: int


class Groups(Protocol):
    """Container groups by resource id. All methods raise ``RunnersUnavailable`` for what a later try may mend."""

    def state(self, group_id: str) -> GroupState | None:
        """Return the state of a group, or None if there is no such group."""

    def start(self, group_id: str) -> None:
        """Ask for a start, which does nothing to a group that runs or starts already; does not wait until it runs."""


def action_for(group: GroupState, moment: datetime) -> Action:
    """Return what to do with a group in this state at this moment.

    Raises:
        RunnersUnavailable: the group is being deleted, or is in a state not known here.
    """
    provisioning, state = (group.provisioning or "").lower(), (group.state or "").lower()
    if provisioning in ARRIVING or state == "pending":
        return Action.LEAVE
    if state == "running":
        # The group's state lags behind its containers: it says Running for a while after the worker has exited. A
        # start would be answered with "runs already", and a stop could hit the worker that somebody else starts.
        ended = bool(group.containers) and all((each or "").lower() == "terminated" for each in group.containers)
        return Action.LOOK_AGAIN if ended else Action.LEAVE
    if state in ENDED or (not state and provisioning == "failed"):
        hold = HOLD.get(group.exit_code or 0)
        held = hold is not None and group.finished is not None and moment < group.finished + hold
        return Action.HOLD if held and state == "failed" else Action.START
    raise RunnersUnavailable(
        f"The container group is in the state {group.state!r} (provisioning: {group.provisioning!r}), "
        "in which it can be neither started nor left alone. It is looked at again."
    )


def ensure_running(
    groups: Groups,
    group_ids: Sequence[str],
    backlog: Callable[[], int],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Look:
    """See that as many groups run as there are jobs, at least one and at most all.

    What cannot be done now is logged and left to the next look. Never raises for what Azure answers.

    Args:
        groups: the container groups.
        group_ids: their resource ids, in the order in which they are started.
        backlog: returns the number of jobs, or raises ``RunnersUnavailable``; called only where there is more than one
            group.
        now: returns the present moment with a time zone.
    """
    requests = running = 0
    idle: list[str] = []
    known = True
    wanted = 1
    if len(group_ids) > 1:
        try:
            wanted = min(max(backlog(), 1), len(group_ids))
        except RunnersUnavailable as problem:
            known = False
            tell(LOGGER, RunnerRefused(group=None, problem=str(problem)))
    for group_id in group_ids:
        requests += 1
        try:
            if (state := groups.state(group_id)) is None:
                tell(LOGGER, RunnerMissing(group=group_id))
                continue
            action = action_for(state, now())
        except RunnersUnavailable as problem:
            tell(LOGGER, RunnerRefused(group=group_id, problem=str(problem)))
            continue
        if action is Action.START:
            idle.append(group_id)
        elif action is Action.HOLD:
            tell(LOGGER, _held(group_id, state))
            running += 1
        elif action is Action.LEAVE:
            running += 1
    for group_id in idle:
        if running >= wanted:
            break
        tell(LOGGER, RunnerStarting(group=group_id))
        requests += 1
        try:
            groups.start(group_id)
        except RunnersUnavailable as problem:
            tell(LOGGER, RunnerRefused(group=group_id, problem=str(problem)))
        else:
            running += 1
    return Look(calm=known and running >= wanted, requests=requests)


def _held(group_id: str, state: GroupState) -> RunnerHeld:
    return RunnerHeld(
        exit_code=state.exit_code,
        finished=state.finished.isoformat() if state.finished else None,
        group=group_id,
        hold_seconds=int(HOLD[state.exit_code or 0].total_seconds()),
    )
