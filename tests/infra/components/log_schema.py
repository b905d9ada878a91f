"""What a query over logs may name: the columns of Azure's tables, and the fields of the project's events."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pipeline_app.contract import end_events, function_events, worker_events
from pipeline_app.contract.log_lines import HEAD, KINDS, Event
from tests.infra.components.kusto import Query

# The legacy tables of the workspace's key are filled by the Data Collector API, which adds a type to most names, such
# as ContainerGroup_s; these two columns have none.
# Source: https://learn.microsoft.com/azure/container-instances/container-instances-log-analytics
LEGACY: Final = frozenset({"Message", "TimeGenerated"})

# Source: https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces and likewise appexceptions,
# containerappconsolelogs, containerevent, containerinstancelog and storagebloblogs, without columns that no query here
# has a use for.
TABLES: Final[Mapping[str, frozenset[str]]] = {
    "AppExceptions": frozenset(
        {
            "AppRoleName",
            "Assembly",
            "Details",
            "ExceptionType",
            "HandledAt",
            "InnermostMessage",
            "InnermostMethod",
            "InnermostType",
            "Message",
            "Method",
            "OperationId",
            "OperationName",
            "OuterMessage",
            "OuterMethod",
            "OuterType",
            "ProblemId",
            "Properties",
            "SeverityLevel",
            "TimeGenerated",
        }
    ),
    "AppTraces": frozenset(
        {
            "AppRoleInstance",
            "AppRoleName",
            "Message",
            "OperationId",
            "OperationName",
            "Properties",
            "SeverityLevel",
            "TimeGenerated",
        }
    ),
    "ContainerAppConsoleLogs": frozenset(
        {
            "ContainerGroupName",
            "ContainerImage",
            "ContainerName",
            "EnvironmentName",
            "JobName",
            "Location",
            "Log",
            "Stream",
            "TimeGenerated",
        }
    ),
    "ContainerEvent": frozenset(
        {
            "ContainerGroup",
            "ContainerGroupInstanceID",
            "ContainerID",
            "ContainerName",
            "Count",
            "Location",
            "Message",
            "OSType",
            "Reason",
            "TimeGenerated",
        }
    ),
    "ContainerEvent_CL": LEGACY,
    "ContainerInstanceLog": frozenset(
        {
            "ContainerGroup",
            "ContainerID",
            "ContainerImage",
            "ContainerName",
            "Location",
            "Message",
            "OSType",
            "Source",
            "TimeGenerated",
        }
    ),
    "ContainerInstanceLog_CL": LEGACY,
    "StorageBlobLogs": frozenset(
        {
            "AuthenticationType",
            "CallerIpAddress",
            "Category",
            "ObjectKey",
            "OperationName",
            "RequesterObjectId",
            "StatusCode",
            "TimeGenerated",
            "UserAgentHeader",
        }
    ),
}

# What each function of a query takes out of a field; another type gives nothing.
TAKEN: Final[Mapping[str, frozenset[type]]] = {
    "tobool": frozenset({bool}),
    "tolong": frozenset({int}),
    "tostring": frozenset({str}),
}
DECLARED: Final = (end_events, function_events, worker_events)


def problems(query: Query) -> list[str]:
    """Return what a query names that is not there, or is not of the type that it is taken for."""
    found = [f"there is no table {table}" for table in query.tables if table not in TABLES]
    known = {table: TABLES.get(table, frozenset()) for table in query.tables}
    for column in sorted(query.columns - query.given):
        if not any(column in columns for columns in known.values()):
            found.append(f"no table of it has the column {column}")
    for table, columns in known.items():
        if not columns & query.columns:
            found.append(f"{table} has none of its columns")
    kinds = query.compared.get("e.event", set()) - {""}
    found += [f"there is no event {kind!r}" for kind in sorted(kinds - KINDS.keys())]
    of_query = [KINDS[kind] for kind in sorted(kinds & KINDS.keys())]
    for path, calls in query.fields.items():
        name = path.removeprefix("e.")
        if name in HEAD:
            continue
        declaring = [kind for kind in KINDS.values() if name in field_types(kind)]
        lacking = [kind.kind for kind in of_query if kind not in declaring]
        if not declaring or lacking:
            found.append(f"{name!r} is no field of {lacking or 'any event'}")
            continue
        for kind in of_query or declaring:
            types_, texts = field_types(kind)[name], query.compared.get(path, set())
            if any(not TAKEN[call] & types_.keys() for call in calls):
                found.append(f"{name!r} of {kind.kind!r} is {set(types_)}, and is given to {calls}")
            allowed = types_.get(str)
            if allowed and not texts <= allowed:
                found.append(f"{name!r} of {kind.kind!r} is never {texts - allowed}")
    return found


def field_types(kind: type[Event]) -> dict[str, dict[type, frozenset[str] | None]]:
    """Return by each field of an event the types that it may have, and all that a text may say where that is known."""
    return {name: _types(hint) for name, hint in get_type_hints(kind).items() if name not in ("kind", "level")}


def _types(hint: Any) -> dict[type, frozenset[str] | None]:
    if get_origin(hint) in (Union, types.UnionType):
        return {each: said for part in get_args(hint) for each, said in _types(part).items()}
    if get_origin(hint) is Literal:
        return {str: frozenset(get_args(hint))}
    return {get_origin(hint) or hint: None}
