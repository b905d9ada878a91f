"""What runs the workers, as Azure Resource Manager shows it: container groups, or a Container Apps job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from infra.deployer.resource_manager import PassingError, RefusedError, ResourceManager
from infra.verification.canary import RunnerFacts, Runners, RunnerWord

GROUPS_VERSION: Final = "2023-05-01"
JOBS_VERSION: Final = "2024-03-01"
JOB: Final[RunnerWord] = "Container Apps job"
LOG_LINES: Final = 40


def azure_runners(manager: ResourceManager, props: Mapping[str, Any]) -> Runners:
    """Return the runners that the properties of a DeployVerification name."""
    if job_id := props.get("job_id"):
        return AzureJob(manager, job_id)
    return AzureGroups(manager, props["group_ids"])


class AzureGroups:
    """The container groups of the stack by their ARM ids."""

    def __init__(self, manager: ResourceManager, group_ids: Sequence[str]) -> None:
        self._group_ids = group_ids
        self._manager = manager

    def facts(self) -> tuple[RunnerFacts, ...]:
        """Return what Azure says of each; what it does not tell now is told in the place of the events."""
        return tuple(self._facts(group_id) for group_id in self._group_ids)

    def _facts(self, group_id: str) -> RunnerFacts:
        name = group_id.rpartition("/")[2]
        try:
            group = self._manager.send("GET", f"{group_id}?api-version={GROUPS_VERSION}").body
        except (PassingError, RefusedError) as error:
            return _unseen(RunnerFacts(name=name, state=None), error)
        properties = group.get("properties", {})
        containers = properties.get("containers", [])
        view = properties.get("instanceView", {})
        states = [
            state["state"]
            for container in containers
            if (state := _view(container).get("currentState")) and state.get("state")
        ]
        events = [*view.get("events", []), *(event for each in containers for event in _view(each).get("events", []))]
        return RunnerFacts(
            events=tuple(_event(event) for event in sorted(events, key=_time, reverse=True)),
            log=tuple(line for container in containers for line in self._log(group_id, container["name"])),
            name=name,
            state=", ".join([*states, view.get("state") or ""]).strip(", ") or "unknown",
        )

    def _log(self, group_id: str, container: str) -> Iterator[str]:
        """Return the last lines of a container; one that never ran has none."""
        target = f"{group_id}/containers/{container}/logs?api-version={GROUPS_VERSION}&tail={LOG_LINES}"
        try:
            answer = self._manager.send("GET", target)
        except RefusedError as error:
            yield f"(its log cannot be read: {error})"
            return
        yield from str(answer.body.get("content") or "").splitlines()


class AzureJob:
    """The Container Apps job of the stack by its ARM id; what its workers print only Log Analytics has."""

    def __init__(self, manager: ResourceManager, job_id: str) -> None:
        self._job_id = job_id
        self._manager = manager

    def facts(self) -> tuple[RunnerFacts, ...]:
        """Return what Azure says of its last executions."""
        name = self._job_id.rpartition("/")[2]
        try:
            body = self._manager.send("GET", f"{self._job_id}/executions?api-version={JOBS_VERSION}").body
        except (PassingError, RefusedError) as error:
            return (_unseen(RunnerFacts(kind=JOB, name=name, state=None), error),)
        return (execution_facts(name, body.get("value") or ()),)


def execution_facts(name: str, executions: Sequence[Mapping[str, Any]]) -> RunnerFacts:
    """Return what a job's executions, as the API shows them, say of it."""
    shown = sorted(executions, key=_start, reverse=True)
    counts = Counter(str(each["properties"].get("status")) for each in shown)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return RunnerFacts(
        events=tuple(f"{_start(each)} {each['properties'].get('status')} {each['name']}" for each in shown),
        kind=JOB,
        name=name,
        state=f"there, and of its executions are {told}" if told else "there, and has not been started",
    )


def _unseen(missing: RunnerFacts, error: PassingError | RefusedError) -> RunnerFacts:
    """Return what is told where Azure shows nothing: that it is missing, or what Azure said in the events' place."""
    if isinstance(error, PassingError) and error.status == 404:
        return missing
    return replace(missing, events=(str(error),), state="unknown")


def _start(execution: Mapping[str, Any]) -> str:
    return str(execution["properties"].get("startTime") or "")


def _event(event: dict[str, Any]) -> str:
    return f"{event.get('lastTimestamp') or ''} {event.get('type') or ''} {event.get('message') or ''}".strip()


def _time(event: dict[str, Any]) -> str:
    return str(event.get("lastTimestamp") or "")


def _view(container: dict[str, Any]) -> dict[str, Any]:
    view = (container.get("properties") or {}).get("instanceView")
    return view if isinstance(view, dict) else {}
