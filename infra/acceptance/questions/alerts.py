"""Whether what the alerts look at is there: their queries run, and their metrics exist."""

from __future__ import annotations

from infra.acceptance.asking import Question, Seen
from infra.acceptance.site import TOPIC, WORKSPACE, Site
from infra.alert_rules import METRIC_RULES, log_alerts

METRICS_VERSION = "2018-01-01"


def _ask(site: Site) -> Seen:
    workspace = str(site.resource(WORKSPACE)["outputs"]["customerId"])
    problems: dict[str, str] = {}
    alerts = log_alerts(1000, 10)
    for name, alert in alerts.items():
        reply = site.azure.query(workspace, alert.query)
        if not reply.ok:
            problems[name] = f"{reply.told}: {reply.message or reply.body}"
    path = f"{site.resource(TOPIC)['id']}/providers/Microsoft.Insights/metricDefinitions"
    listed = site.azure.arm("GET", path, METRICS_VERSION).value("Listing the topic's metrics")
    known = {str(each["name"]["value"]) for each in listed.get("value") or []}
    for name, rule in METRIC_RULES.items():
        if rule.metric not in known:
            problems[name] = f"there is no metric {rule.metric}; there are {', '.join(sorted(known))}"
    count = len(alerts) + len(METRIC_RULES)
    return Seen(
        advice="These alerts never fire. Mend them in infra/alert_rules.py.",
        as_expected=not problems,
        details={"metrics": sorted(known), "problems": problems},
        text=(
            "; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
            if problems
            else f"All {count} are sound."
        ),
    )


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
