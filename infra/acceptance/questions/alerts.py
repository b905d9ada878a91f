"""Whether what the alerts look at is there: their queries run, and their metrics exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.site import WORKSPACE, Site

LOG_ALERT = "azure-native:monitor:ScheduledQueryRule"
METRIC_ALERT = "azure-native:monitor:MetricAlert"
METRICS_VERSION = "2018-01-01"


def log_queries(site: Site) -> dict[str, str]:
    """Return the queries of the alerts that were deployed, by the alert's name in the program."""
    return {_name(each): str(each["inputs"]["criteria"]["allOf"][0]["query"]) for each in site.resources(LOG_ALERT)}


def _ask(site: Site) -> Seen:
    workspace = str(site.resource(WORKSPACE)["outputs"]["customerId"])
    problems: dict[str, str] = {}
    queries = log_queries(site)
    for name, query in queries.items():
        reply = site.azure.query(workspace, query)
        if not reply.ok:
            problems[name] = f"{reply.told}: {reply.message or reply.body}"
    known: dict[str, list[str]] = {}
    metrics = [(_name(each), each["inputs"]) for each in site.resources(METRIC_ALERT)]
    for name, inputs in metrics:
        scope = str(inputs["scopes"][0])
        if scope not in known:
            known[scope] = _metrics(site, scope)
        wanted = {str(each["metricName"]) for each in inputs["criteria"]["allOf"]}
        if missing := sorted(wanted - set(known[scope])):
            problems[name] = f"there is no metric {', '.join(missing)}; there are {', '.join(known[scope])}"
    count = len(queries) + len(metrics)
    if not count:
        raise NotAnswered("The stack has no alerts.")
    return Seen(
        advice="These alerts never fire. Mend them in infra/components/alert_rules.py.",
        as_expected=not problems,
        details={"metrics": known, "problems": problems},
        text=(
            "; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
            if problems
            else f"All {count} are sound."
        ),
    )


def _metrics(site: Site, scope: str) -> list[str]:
    path = f"{scope}/providers/Microsoft.Insights/metricDefinitions"
    listed = site.azure.arm("GET", path, METRICS_VERSION).value("Listing the metrics")
    return sorted(str(each["name"]["value"]) for each in listed.get("value") or [])


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rpartition("::")[2]


QUESTION = Question(
    ask=_ask,
    expected="All queries run, and all metrics exist.",
    limit_minutes=10,
    minutes=1,
    name="alert-queries",
    source="https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/"
    "microsoft-eventgrid-systemtopics-metrics and https://learn.microsoft.com/kusto/query/union-operator",
    text="Do the alerts' queries run on the workspace, and do their metrics exist by name?",
)
