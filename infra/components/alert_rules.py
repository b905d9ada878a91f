"""What is worth a person's attention: metrics, and queries over what worker, function and platform log.

The project's own events are found by their fields, as ``pipeline_app.contract`` declares them, and only the platform's
lines by their words. Pure, so that tests can hold each query against the line that the code really logs. Every rule has
an entry of the same name in the runbook of docs/operations.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.settings.runner_limits import RunnerKind
from infra.settings.silence import SILENT_WINDOWS
from pipeline_app.contract.function_events import RunnerHeld, RunnerMissing, RunnerRefused, ScalerStill, Sweep
from pipeline_app.contract.log_lines import Event
from pipeline_app.contract.worker_events import Buried, Finished, Unconfined

# What the Functions host logs when it moves a message to a poison queue.
# Source: QueueProcessor.CopyMessageToPoisonQueueAsync in https://github.com/Azure/azure-webjobs-sdk
HOST_POISON: Final = "Message has reached MaxDequeueCount"

# What the host says of an exception of the function's that would not be caught: its type and its text.
UNAVAILABLE: Final = "RunnersUnavailable"

# What Container Instances reports of a group whose image or share it cannot get at; the start itself succeeded.
# Source: https://learn.microsoft.com/azure/container-instances/container-instances-troubleshooting
PLATFORM: Final = ("Back-off pulling image", "Failed to mount", "Failed to pull image")

# What containers print and what the platform says of them. Diagnostic settings fill the first table of each; the second
# is that of the workspace's key, which a policy may add to groups, and has the same columns as far as they are used.
# Source: https://learn.microsoft.com/azure/container-instances/monitor-azure-container-instances-reference
CONTAINER_EVENTS: Final = ("ContainerEvent", "ContainerEvent_CL")
CONTAINER_LOGS: Final = ("ContainerInstanceLog", "ContainerInstanceLog_CL")

# What the executions of a job print, in a column of another name.
# Source: https://learn.microsoft.com/azure/azure-monitor/reference/tables/containerappconsolelogs
EXECUTION_LOGS: Final = ("ContainerAppConsoleLogs",)
# Where the workers' lines are.
LINES: Final[Mapping[RunnerKind, Sequence[str]]] = {
    "containerAppsJob": EXECUTION_LOGS,
    "containerInstances": CONTAINER_LOGS,
}

# Some tables are made with the first line, long after the rules. A fuzzy union passes over tables that are not there
# yet, and the empty one keeps it from having none at all.
# Source: https://learn.microsoft.com/kusto/query/union-operator
_COLUMNS: Final = "InnermostMessage: string, Message: string, OuterMessage: string, TimeGenerated: datetime"
_FUZZY: Final = "union isfuzzy=true (datatable({0})[])"

# What the line of an event says, by the names of its fields; nothing where the line is another's.
_FIELDS: Final = "| extend e = parse_json(Message)"


@dataclass(frozen=True, kw_only=True)
class LogAlert:
    """An alert on log lines.

    Attributes:
        absence: whether it fires below the threshold, so where lines are missing, and not above.
        description: what it means, in a sentence.
        measure: the column whose smallest value is compared; None counts the lines.
        periods: how many windows in a row have to be beyond the threshold.
        query: what to look at, in the Kusto language.
        severity: from 0, critical, to 4.
        threshold: the alert fires beyond it.
        window: how far one look goes back, as an ISO 8601 duration.
    """

    absence: bool = False
    description: str
    measure: str | None = None
    periods: int = 1
    query: str
    severity: int
    threshold: int
    window: str


@dataclass(frozen=True, kw_only=True)
class MetricRule:
    """An alert that fires when a metric of the Event Grid system topic counts anything."""

    description: str
    metric: str


# Source: https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-eventgrid-systemtopics-metrics
METRIC_RULES: Final[Mapping[str, MetricRule]] = {
    "dead-lettered-events": MetricRule(
        description="Event Grid could not deliver events and put them into the dead-letter container.",
        metric="DeadLetteredCount",
    ),
    "dropped-events": MetricRule(
        description="Event Grid dropped events: it could neither deliver nor dead-letter them.",
        metric="DroppedEventCount",
    ),
}


def log_alerts(
    *, backlog_events: int, backlog_jobs: int, failed_files: int, runner: RunnerKind, silent_minutes: int
) -> Mapping[str, LogAlert]:
    """Return the alerts on log lines by name.

    Args:
        backlog_events: so many events may wait for 15 minutes.
        backlog_jobs: so many jobs may wait for 15 minutes.
        failed_files: so many files may fail within 15 minutes.
        runner: what runs the workers, which decides where their lines are.
        silent_minutes: for so long the sweep may say nothing, one of ``SILENT_WINDOWS``; 0 is for ever.
    """
    alerts = _alerts(backlog_events, backlog_jobs, failed_files, LINES[runner])
    alerts |= _of_jobs() if runner == "containerAppsJob" else _of_groups()
    if silent_minutes:
        alerts["silent-sweep"] = LogAlert(
            absence=True,
            description=f"The sweep has not reported for {silent_minutes} minutes, so the function does not run.",
            query=f"{_sweeps()}\n| project TimeGenerated",
            severity=1,
            threshold=1,
            window=SILENT_WINDOWS[silent_minutes],
        )
    return alerts


def _alerts(backlog_events: int, backlog_jobs: int, failed_files: int, lines: Sequence[str]) -> dict[str, LogAlert]:
    return {
        "backlog": LogAlert(
            description=f"More than {backlog_jobs} jobs have been waiting for 15 minutes.",
            measure="Jobs",
            query=f"{_sweeps()}\n| project TimeGenerated, Jobs = tolong(e.jobs)",
            severity=2,
            threshold=backlog_jobs,
            window="PT15M",
        ),
        "failed-files": LogAlert(
            description=f"More than {failed_files} files failed within 15 minutes.",
            # A canary is nobody's file.
            query=(
                f"{_union(*lines)}\n{_FIELDS}\n"
                f'| where {_is(Finished)} and tostring(e.outcome) == "failed" and tobool(e.canary) == false'
            ),
            severity=2,
            threshold=failed_files,
            window="PT15M",
        ),
        "poisoned-messages": LogAlert(
            description="A job or an event was moved to a poison queue.",
            query=(f"{_union('AppTraces', *lines)}\n{_FIELDS}\n| where {_is(Buried)} or {_platform(HOST_POISON)}"),
            severity=1,
            threshold=0,
            window="PT15M",
        ),
        "unconfined-applications": LogAlert(
            description="A worker runs applications that nothing keeps from other files, since its kernel cannot.",
            query=f"{_union(*lines)}\n{_FIELDS}\n| where {_is(Unconfined)}",
            severity=3,
            threshold=0,
            window="PT15M",
        ),
        "waiting-events": LogAlert(
            description=f"More than {backlog_events} events have been waiting for 15 minutes.",
            measure="Events",
            query=f"{_sweeps()}\n| project TimeGenerated, Events = tolong(e.events)",
            severity=2,
            threshold=backlog_events,
            window="PT15M",
        ),
    }


def _of_groups() -> dict[str, LogAlert]:
    return {
        # Azure refuses to start a group that is just ending, which the next try mends; so three windows in a row.
        "unstartable-group": LogAlert(
            description="A container group has not been able to start for 15 minutes.",
            periods=3,
            query=(
                f"{_union('AppExceptions', 'AppTraces', *CONTAINER_EVENTS)}\n{_FIELDS}\n"
                f"| where {_is(RunnerHeld, RunnerMissing, RunnerRefused)} or {_platform(*PLATFORM)} or "
                f'OuterMessage contains_cs "{UNAVAILABLE}" or InnermostMessage contains_cs "{UNAVAILABLE}"'
            ),
            severity=1,
            threshold=0,
            window="PT5M",
        ),
    }


def _of_jobs() -> dict[str, LogAlert]:
    return {
        # The scaler looks every pollingSeconds, and an image may take minutes to arrive; so three windows in a row.
        "stuck-scaler": LogAlert(
            description="Jobs have been waiting for 15 minutes, and no execution of the Container Apps job runs.",
            periods=3,
            query=f"{_union('AppTraces')}\n{_FIELDS}\n| where {_is(RunnerRefused, ScalerStill)}",
            severity=1,
            threshold=0,
            window="PT5M",
        ),
    }


def _is(*kinds: type[Event]) -> str:
    named = [json.dumps(kind.kind) for kind in kinds]
    return f"tostring(e.event) in ({', '.join(named)})" if len(named) > 1 else f"tostring(e.event) == {named[0]}"


def _platform(*terms: str) -> str:
    # What an event of the project's quotes, such as the name of a file, is not the platform's.
    holds = " or ".join(f'Message contains_cs "{term}"' for term in terms)
    return f'(tostring(e.event) == "" and ({holds}))'


def _sweeps() -> str:
    # Every sweep logs its event, whatever it finds; none is left out by sampling, as the function's host.json says.
    return f"AppTraces\n{_FIELDS}\n| where {_is(Sweep)}"


def _union(*tables: str) -> str:
    if set(tables).isdisjoint(EXECUTION_LOGS):
        return ", ".join([_FUZZY.format(_COLUMNS), *tables])
    return (
        ", ".join([_FUZZY.format(f"Log: string, {_COLUMNS}"), *tables]) + "\n| extend Message = coalesce(Message, Log)"
    )
