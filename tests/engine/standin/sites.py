"""A Flex Consumption site as Azure Resource Manager shows it: its deployments, its functions and their triggers.

What may go wrong on the way is written into a site's *script*, whose lists are used up from the front:

* ``put``: answers to the next deployments that are not taken, as [status, headers];
* ``get``: answers to the next looks at a deployment, as [status, headers];
* ``ends``: what the next deployments end as, 4 (Success) where there is none;
* ``looks``: how many looks a deployment stays unfinished, 0 where there is none;
* ``stale``: how many looks at the newest deployment still show the one before it;
* ``anonymous``: deployments have neither an id nor times;
* ``bare``: the answer that takes a package, and as many looks as ``looks`` says, have no body;
* ``kudu``: the address to look at is one of Kudu's own site;
* ``lost``: how many deployments leave no record; ``void`` of these did not take place either;
* ``sync``: answers to the next calls that make the triggers known, as [status, headers];
* ``placeholder``: how many successful ones reach a host that does not have the package yet;
* ``late``: how many lists of functions still are the earlier ones.

Sources: https://github.com/Azure/azure-dev/issues/3658 (statuses, and the fields of a deployment),
https://github.com/Azure-App-Service/KuduLite/blob/master/Kudu.Services/Deployment/PushDeploymentController.cs (202 with
a Location whose id is "latest", 409 while another one goes on), https://github.com/Azure/azure-cli/pull/20261 (the
newest deployment may be the one before), https://github.com/Azure/azure-dev/issues/4439 (404 for a deployment),
https://github.com/Azure/azure-functions-host/issues/11873 (the placeholder's triggers).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, TypeAlias

HOST: Final = "https://management.azure.com"
PLACEHOLDER: Final = "WarmUp"

Reply: TypeAlias = tuple[int, Mapping[str, str], Any]
State: TypeAlias = dict[str, Any]


def new_site() -> State:
    """Return a site without code."""
    return {"count": 0, "functions": [], "latest": None, "package": None, "previous": None, "script": {}}


def reply(site: State, app_id: str, method: str, operation: str, body: bytes, functions: list[str]) -> Reply:
    """Answer one request.

    Args:
        site: the site's state, which changes.
        app_id: its ARM id.
        method: of HTTP.
        operation: the path below the site.
        body: of the request.
        functions: the names in whatever package is deployed.
    """
    script = site["script"]
    match method, operation:
        case "PUT", "extensions/onedeploy":
            return _take(site, app_id, body)
        case "GET", "functions":
            return 200, {}, {"value": [_function(app_id, name) for name in _listed(site)]}
        case "POST", "syncfunctiontriggers":
            if refused := _refusal(script, "sync"):
                return refused
            if site["package"] is None:
                return 400, {}, _error("BadRequest", "Encountered an error (ServiceUnavailable) from host runtime.")
            real = not _used(script, "placeholder")
            site["earlier"], site["functions"] = site["functions"], sorted(functions) if real else [PLACEHOLDER]
            return 204, {}, None
    if method == "GET" and operation.startswith("deployments/"):
        return _refusal(script, "get") or _look(site, app_id, operation.partition("/")[2])
    return 405, {}, _error("NotPlayed", f"{method} {operation}")


def _take(site: State, app_id: str, body: bytes) -> Reply:
    script, properties = site["script"], json.loads(body)["properties"]
    if refused := _refusal(script, "put"):
        return refused
    if site["latest"] and site["latest"]["status"] in (0, 1, 2):
        return 409, {}, _error("Conflict", "There is a deployment currently in progress.")
    site["count"] += 1
    named = not script.get("anonymous")
    end = script["ends"].pop(0) if script.get("ends") else 4
    lost = _used(script, "lost")
    void = lost and _used(script, "void")
    site["previous"] = site["latest"]
    site["latest"] = {
        "end": end,
        "id": f"deployment-{site['count']}" if named else None,
        "looks": script.get("looks", 0),
        "lost": lost,
        "received_time": f"2026-01-31T12:00:{site['count']:02}Z" if named else None,
        "stale": script.get("stale", 0),
        "status": 0,
    }
    if end in (4, 6) and not void:
        site["package"] = properties["packageUri"].partition("?")[0]
        site["copied"] = format_datetime(datetime.now(UTC), usegmt=True)
    host = "https://site.scm.azurewebsites.net/api" if script.get("kudu") else f"{HOST}{app_id}"
    location = f"{host}/deployments/latest?api-version=2024-04-01&deployer=Push-Deployer"
    if script.get("bare"):
        return 202, {"Location": location}, None
    return 202, {"Location": location}, {"properties": {"id": None, "status": 0, "status_text": ""}}


def _look(site: State, app_id: str, name: str) -> Reply:
    latest, previous = site["latest"], site["previous"]
    if latest is None:
        return 404, {}, _error("NotFound", f"Deployment {name} not found.")
    if latest["stale"] and previous:
        latest["stale"] -= 1
        return 200, {}, _shown(app_id, previous)
    if latest["lost"]:
        latest["status"] = latest["end"]
        return 404, {}, _error("NotFound", f"Deployment {name} not found.")
    if latest["looks"]:
        latest["looks"] -= 1
        latest["status"] = min(latest["status"] + 1, 2)
        return 202, {}, None if site["script"].get("bare") else _shown(app_id, latest)
    latest["status"] = latest["end"]
    return 200, {}, _shown(app_id, latest)


def _listed(site: State) -> list[str]:
    names = site["earlier"] if site.get("earlier") is not None and _used(site["script"], "late") else site["functions"]
    return list(names)


def _shown(app_id: str, deployment: State) -> dict[str, Any]:
    text = {3: "Failed to upload because Azure Storage responded with Forbidden", 6: "Sync triggers failed"}
    return {
        "id": f"{app_id}/deployments/{deployment['id']}",
        "properties": {
            "active": deployment["status"] == 4,
            "id": deployment["id"],
            "received_time": deployment["received_time"],
            "status": deployment["status"],
            "status_text": text.get(deployment["status"], ""),
        },
    }


def _function(app_id: str, name: str) -> dict[str, Any]:
    site = app_id.rpartition("/")[2]
    return {"id": f"{app_id}/functions/{name}", "name": f"{site}/{name}", "properties": {"name": name}}


def _refusal(script: State, key: str) -> Reply | None:
    if not script.get(key):
        return None
    status, headers = script[key].pop(0)
    return status, headers, _error("Refused", f"refused with {status} for now")


def _used(script: State, key: str) -> bool:
    if not script.get(key):
        return False
    script[key] -= 1
    return True


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
