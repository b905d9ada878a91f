"""Whatever a query names is there: in Azure's tables, or in the events that worker and function log."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from infra.components.alert_rules import LogAlert, log_alerts
from infra.operate.story import gather
from infra.operate.telling import tell
from pipeline_app.contract.log_lines import HEAD, KINDS
from tests.infra.components.kusto import parse
from tests.infra.components.log_schema import DECLARED, field_types, problems
from tests.infra.recording import PROJECT_FOLDER
from tests.memory.operate import MOMENT, NAMES, MemoryStorage

NUMBERS = {"backlog_events": 500, "backlog_jobs": 1000, "failed_files": 10, "silent_minutes": 30}
ALERTS = log_alerts(**NUMBERS, runner="containerInstances")
ALERTS_OF_JOB = log_alerts(**NUMBERS, runner="containerAppsJob")
BLOCK = re.compile(r"^```kusto\n(.*?)^```", re.DOTALL | re.MULTILINE)
NAME = 'incoming/it\'s "quoted" ü.csv'


def of_documents() -> list[str]:
    """Return the queries that a person finds in the documents, each on a line of its own, and its steps on more."""
    paths = [PROJECT_FOLDER / "README.md", *sorted((PROJECT_FOLDER / "docs").glob("*.md"))]
    blocks = [block for path in paths for block in BLOCK.findall(path.read_text(encoding="utf-8"))]
    return [query for block in blocks for query in re.split(r"\n(?!\|)", block.strip())]


def of_explain() -> str:
    """Return the query that tells of one file, where its log cannot be read."""
    lines = tell(gather(NAME, MemoryStorage(), NAMES, None), NAMES, MOMENT)
    (line,) = [line for section in lines for line in section.lines if "Log Analytics: " in line]
    return line.partition("Log Analytics: ")[2]


@pytest.mark.parametrize(
    ("alerts", "name"),
    [(alerts, name) for alerts in (ALERTS, ALERTS_OF_JOB) for name in alerts],
)
def test_an_alert_names_only_what_is_there(alerts: Mapping[str, LogAlert], name: str) -> None:
    assert problems(parse(alerts[name].query)) == []


def test_a_query_for_people_names_only_what_is_there() -> None:
    told = [*of_documents(), of_explain()]
    assert len(told) > 5
    assert [(query, found) for query in told if (found := problems(parse(query)))] == []


def test_the_query_of_explain_finds_the_file_whatever_its_name_is() -> None:
    query = parse(of_explain())
    event = KINDS["claimed"](attempt=1, event_id="e", name=NAME)  # type: ignore[call-arg]
    other = KINDS["claimed"](attempt=1, event_id="e", name=f"{NAME}.bak")  # type: ignore[call-arg]
    assert query.run({"Message": str(event), "TimeGenerated": 1}) == {"Text": event.sentence(), "TimeGenerated": 1}
    assert query.run({"Message": str(other), "TimeGenerated": 1}) is None


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("e.outcome", "e.outcomes", "'outcomes' is no field of ['finished']"),
        ("e.canary", "e.again_in", "'again_in' is no field of ['finished']"),
        ('"finished"', '"finishes"', "there is no event 'finishes'"),
        ('"failed"', '"Failed"', "'outcome' of 'finished' is never {'Failed'}"),
        ("tobool", "tolong", "'canary' of 'finished' is {<class 'bool'>}, and is given to {'tolong'}"),
        ("parse_json(Message)", "parse_json(Message_s)", "no table of it has the column Message_s"),
        ("ContainerInstanceLog,", "ContainerInstanceLogs,", "there is no table ContainerInstanceLogs"),
    ],
)
def test_what_is_misspelled_is_found(right: str, wrong: str, problem: str) -> None:
    query = ALERTS["failed-files"].query
    assert query.count(right) == 1
    assert problem in problems(parse(query.replace(right, wrong)))


def test_what_a_query_does_and_nobody_here_knows_is_an_error() -> None:
    for query in ("AppTraces | take 5", "AppTraces | where strlen(Message) > 5", "AppTraces | where Message =~ 'x'"):
        with pytest.raises(SyntaxError):
            parse(query)


def test_every_event_is_declared_where_it_is_looked_for_and_no_field_hides_what_each_line_has() -> None:
    declared = {name for module in DECLARED for name in vars(module)}
    assert {kind.__name__ for kind in KINDS.values()} - declared == {"Log", "Retried"}
    hidden = {kind.kind: field_types(kind).keys() & set(HEAD) for kind in KINDS.values()}
    assert {kind: names for kind, names in hidden.items() if names} == {"log": {"text"}}
