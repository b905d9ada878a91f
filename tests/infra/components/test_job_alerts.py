"""With a Container Apps job the workers' lines are in another table and column, and the scaler is watched."""

from __future__ import annotations

from typing import Any

import pytest

from infra.components.alert_rules import EXECUTION_LOGS, log_alerts
from pipeline_app.contract.function_events import RunnerRefused, RunnerStarting, ScalerStill
from pipeline_app.contract.log_lines import KINDS
from tests.infra.components.kusto import parse

ALERTS = log_alerts(
    backlog_events=500, backlog_jobs=1000, failed_files=10, runner="containerAppsJob", silent_minutes=30
)
QUERIES = {name: parse(alert.query) for name, alert in ALERTS.items()}


def found(**row: str) -> set[str]:
    """Return the alerts that a row counts for, but those of the sweep, for which each of its lines counts."""
    return {name for name, query in QUERIES.items() if query.run(row) is not None}


def line(kind: str, **fields: Any) -> str:
    return str(KINDS[kind](**fields))


def test_a_scaler_that_stands_still_or_cannot_be_seen_is_told_of_in_three_windows_in_a_row() -> None:
    still = ScalerStill(job="/jobs/worker", jobs=3, oldest="2026-01-31T12:00:00+00:00")
    assert found(Message=str(still)) == {"stuck-scaler"}
    assert found(Message=str(RunnerRefused(group="/jobs/worker", problem="HTTP 403"))) == {"stuck-scaler"}
    assert found(Message=str(RunnerStarting(group="g"))) == set()
    assert (ALERTS["stuck-scaler"].periods, ALERTS["stuck-scaler"].window) == (3, "PT5M")


@pytest.mark.parametrize("column", ["Log", "Message"])
def test_a_buried_message_counts_wherever_its_line_is(column: str) -> None:
    """The function's lines are in ``Message`` of another table of the same query."""
    buried = line("buried", attempt=None, message_id="1", name="a.csv", reason="no JSON")
    assert found(**{column: buried}) == {"poisoned-messages"}


def test_the_tables_are_those_of_executions() -> None:
    for name in ("failed-files", "unconfined-applications"):
        assert tuple(QUERIES[name].tables) == EXECUTION_LOGS
        assert {"Log", "Message"} <= QUERIES[name].columns
    assert "unstartable-group" not in ALERTS
