"""Which tables of the workspace fill, and how late."""

from __future__ import annotations

import re
from typing import Any

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.azure import Reply
from infra.acceptance.questions.alerts import log_queries
from infra.acceptance.site import WORKSPACE, Site

LATE_SECONDS = 15 * 60
# These have a line only when something is wrong.
QUIET = frozenset({"AppExceptions"})
TABLES = (
    "AppDependencies",
    "AppRequests",
    "AppTraces",
    "ContainerEvent",
    "ContainerEvent_CL",
    "ContainerInstanceLog",
    "ContainerInstanceLog_CL",
)
WAIT_SECONDS = 1800

_TABLE = re.compile(r"\b(?:App[A-Z][A-Za-z]+|Container[A-Z][A-Za-z]+(?:_CL)?)\b")


def watched_tables(site: Site) -> frozenset[str]:
    """Return the tables that the alerts look at and that fill when all is well."""
    # What a query looks for is no table.
    text = " ".join(re.sub(r'"[^"]*"', "", query) for query in log_queries(site).values())
    return frozenset(_TABLE.findall(text)) - QUIET


def rows(reply: Reply) -> list[list[Any]]:
    """Return the rows of a query's first table."""
    tables = reply.body.get("tables") if isinstance(reply.body, dict) else None
    found: list[list[Any]] = tables[0]["rows"] if tables else []
    return found


def _ask(site: Site) -> Seen:
    workspace = str(site.resource(WORKSPACE)["outputs"]["customerId"])
    wanted = watched_tables(site)
    if not wanted:
        raise NotAnswered("The stack has no alerts on log lines, so no table is expected to fill.")
    late: dict[str, float] = {}
    counts: dict[str, int] = {}

    def look() -> bool | None:
        for table in TABLES:
            reply = site.azure.query(
                workspace,
                f"{table} | summarize Rows=count(), Late=percentile((ingestion_time() - TimeGenerated) / 1s, 95)",
            )
            if reply.status == 400:
                # A table that is made with its first line is no table before.
                continue
            found = rows(Reply(body=reply.value(f"The query of {table}"), status=200))
            if found and found[0][0]:
                counts[table], late[table] = int(found[0][0]), round(float(found[0][1] or 0), 1)
        return True if wanted <= counts.keys() else None

    missing: frozenset[str] = frozenset()
    try:
        site.clock.wait(look, "the tables to fill", seconds=WAIT_SECONDS, every=60)
    except NotAnswered:
        missing = wanted - counts.keys()
        if not counts and not missing:
            raise
    slow = sorted(table for table in wanted & late.keys() if late[table] > LATE_SECONDS)
    told = ", ".join(f"{table} ({counts[table]} lines, 95% within {late[table]:.0f} s)" for table in sorted(counts))
    return Seen(
        advice=(
            "Alerts and the queries of docs/operations.md look at tables that do not fill, or too late: name those "
            "that do in infra/components/alert_rules.py, docs/operations.md and infra/operate/telling.py."
        ),
        as_expected=not missing and not slow,
        details={"late_seconds": late, "lines": counts, "missing": sorted(missing)},
        text=(
            f"Filled: {told or 'none'}."
            + (f" Empty after {WAIT_SECONDS // 60} minutes: {', '.join(sorted(missing))}." if missing else "")
        ),
    )


QUESTION = Question(
    ask=_ask,
    expected="All that the alerts look at, within 15 minutes.",
    limit_minutes=40,
    minutes=8,
    name="log-tables",
    source="https://learn.microsoft.com/azure/container-instances/container-instances-log-analytics; tables that never "
    "appeared in https://github.com/MicrosoftDocs/azure-docs/issues/91498",
    text="Which tables of Log Analytics fill, and how late?",
)
