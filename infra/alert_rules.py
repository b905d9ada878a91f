"""What is worth a person's attention: metrics, and queries over the log lines of the worker, function and platform.

Pure, so that tests can hold each term against the line that the code really logs. Every rule has an entry of the same
name in the README's runbook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Parts of lines of this project's own code.
BACKLOG: Final = "Backlog: "
BURIED: Final = "is buried in the poison queue"
FAILED: Final = " INFO failed "
MISSING_GROUP: Final = "does not exist. Run 'pulumi up' to deploy it"
UNSTARTABLE: Final = "RunnersUnavailable"

# What the Functions host logs when it moves a message to a poison queue.
# Source: QueueProcessor.CopyMessageToPoisonQueueAsync in https://github.com/Azure/azure-webjobs-sdk
HOST_POISON: Final = "Message has reached MaxDequeueCount"

# What Container Instances reports of a group whose image or share it cannot get at; the start itself succeeded.
# Source: https://learn.microsoft.com/azure/container-instances/container-instances-troubleshooting
PLATFORM: Final = ("Back-off pulling image", "Failed to mount", "Failed to pull image")

# Container Instances makes its tables with the first line, long after the rules. A fuzzy union passes over tables that
# are not there yet, and the empty one keeps it from having none at all.
# Source: https://learn.microsoft.com/kusto/query/union-operator
_COLUMNS: Final = "InnermostMessage: string, Message: string, OuterMessage: string, TimeGenerated: datetime"
_FUZZY: Final = f"union isfuzzy=true (datatable({_COLUMNS})[])"


@dataclass(frozen=True, kw_only=True)
class LogAlert:
    """An alert on log lines.

    Attributes:
        description: what it means, in a sentence.
        measure: the column whose smallest value is compared; None counts the lines.
        periods: how many windows in a row have to be above the threshold.
        query: what to look at, in the Kusto language.
        severity: from 0, critical, to 4.
        threshold: the alert fires above it.
        window: how far one look goes back, as an ISO 8601 duration.
    """

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


def log_alerts(backlog_jobs: int, failed_files: int) -> Mapping[str, LogAlert]:
    """Return the alerts on log lines by name.

    Args:
        backlog_jobs: so many jobs may wait for 15 minutes.
        failed_files: so many files may fail within 15 minutes.
    """
    return {
        "backlog": LogAlert(
            description=f"More than {backlog_jobs} jobs have been waiting for 15 minutes.",
            measure="Jobs",
            query=(
                f'AppTraces\n| where Message startswith_cs "{BACKLOG}"\n| parse Message with * "jobs=" Jobs: long "." *'
            ),
            severity=2,
            threshold=backlog_jobs,
            window="PT15M",
        ),
        "failed-files": LogAlert(
            description=f"More than {failed_files} files failed within 15 minutes.",
            query=f"{_FUZZY}, ContainerInstanceLog_CL\n| where {_holds('Message', FAILED)}",
            severity=2,
            threshold=failed_files,
            window="PT15M",
        ),
        "poisoned-messages": LogAlert(
            description="A job or an event was moved to a poison queue.",
            query=f"{_FUZZY}, AppTraces, ContainerInstanceLog_CL\n| where {_holds('Message', BURIED, HOST_POISON)}",
            severity=1,
            threshold=0,
            window="PT15M",
        ),
        # Azure refuses to start a group that is just ending, which the next try mends; so three windows in a row.
        "unstartable-group": LogAlert(
            description="A container group has not been able to start for 15 minutes.",
            periods=3,
            query=(
                f"{_FUZZY}, AppExceptions, AppTraces, ContainerEvent_CL\n"
                '| extend Text = strcat(Message, " ", OuterMessage, " ", InnermostMessage)\n'
                f"| where {_holds('Text', MISSING_GROUP, UNSTARTABLE, *PLATFORM)}"
            ),
            severity=1,
            threshold=0,
            window="PT5M",
        ),
    }


def _holds(column: str, *terms: str) -> str:
    return " or ".join(f'{column} contains_cs "{term}"' for term in terms)
