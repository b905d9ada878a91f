"""What becomes of an uploaded file in the simulated cloud: as far as everything that it needs is there and allowed.

The whole way is taken at once, when the file is uploaded. A test breaks it by deleting resources out of sight of the
stack, or by a word in ``broken``: ``application`` (it fails), ``code`` (the function raises).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from pipeline_app.contract import (
    RECEIPT_ETAG_METADATA,
    FileJob,
    InputVersion,
    OutputFile,
    Receipt,
    StorageNames,
    now,
)
from pipeline_app.contract.worker_events import Outage, WorkerEnded
from pipeline_app.rest.endpoint import StorageError
from tests.engine.standin.cloud import CloudError
from tests.engine.standin.groups import check_group
from tests.engine.standin.jobs import JOB, as_group
from tests.engine.standin.names import named, stable_uuid
from tests.engine.standin.roles import BLOBS, Wanted, may

APP: Final = "azure-native:web:WebApp"
GROUP: Final = "azure-native:containerinstance:ContainerGroup"
MESSAGES: Final = "Microsoft.Storage/storageAccounts/queueServices/queues/messages"
QUEUE_READ: Final = "Microsoft.Storage/storageAccounts/queueServices/queues/read"
SUBSCRIPTION: Final = "azure-native:eventgrid:SystemTopicEventSubscription"
TOPIC: Final = "azure-native:eventgrid:SystemTopic"


def upload(content: dict[str, Any], account: str, container: str, name: str, body: bytes) -> str:
    """Put up a blob, let the pipeline do what it can with it, and return its ETag without quotes."""
    etag = put_blob(content, account, container, name, body)
    if _is_watched(content, account, container, name):
        _process(content, account, container, name, body, etag)
    return etag


def put_blob(
    content: dict[str, Any],
    account: str,
    container: str,
    name: str,
    body: bytes,
    metadata: dict[str, str] | None = None,
) -> str:
    """Write a blob and return its ETag without quotes."""
    etag = f"0x{len(content['log']):X}{len(content['blobs']):X}"
    content["blobs"][f"{account}/{container}/{name}"] = {
        "body": base64.b64encode(body).decode(),
        "etag": etag,
        "metadata": metadata or {},
    }
    return etag


def group_view(content: dict[str, Any], group_id: str) -> dict[str, Any]:
    """Return a container group as Resource Manager shows it."""
    group = content["resources"][group_id]["inputs"]
    problem = _group_problem(content, group)
    state = "Terminated" if problem is None else "Waiting"
    event = {"lastTimestamp": "2026-01-31T12:00:00Z", "message": problem, "type": "Warning"}
    view = {"currentState": {"state": state}, "events": [event] if problem else []}
    containers = [{"name": each["name"], "properties": {"instanceView": view}} for each in group["containers"]]
    return {"properties": {"containers": containers, "instanceView": {"events": [], "state": "Succeeded"}}}


def executions(content: dict[str, Any], job_id: str) -> list[dict[str, Any]]:
    """Return the executions of a job as Resource Manager shows them: one that failed where it could not come up."""
    problem = _group_problem(content, as_group(content, content["resources"][job_id]["inputs"]))
    properties = {"startTime": "2026-01-31T12:00:00Z", "status": "Succeeded" if problem is None else "Failed"}
    name = f"{job_id.rpartition('/')[2]}-abcdefg"
    return [{"id": f"{job_id}/executions/{name}", "name": name, "properties": properties}]


def group_log(content: dict[str, Any], group_id: str) -> str:
    """Return what a group's worker has written."""
    group = content["resources"][group_id]["inputs"]
    if _group_problem(content, group) is not None:
        return ""
    if not _worker_may(content, group):
        error = StorageError(403, "AuthorizationPermissionMismatch", "This request is not authorized.")
        return f"{Outage(again_in=10.0, code=error.code, doing='receive', problem=str(error))}\n"
    return f"{WorkerEnded(counts={}, exit_code=0)}\n"


def _is_watched(content: dict[str, Any], account: str, container: str, name: str) -> bool:
    subject = f"/blobServices/default/containers/{container}/blobs/{name}"
    for resource_id, each in content["resources"].items():
        if each["type"] != SUBSCRIPTION:
            continue
        topic = content["resources"].get(resource_id.partition("/eventSubscriptions/")[0])
        wanted = each["inputs"]["filter"]
        if topic is None or not topic["inputs"]["source"].endswith(f"/{account}"):
            continue
        if subject.startswith(wanted["subjectBeginsWith"]) and "PutBlob" in wanted["advancedFilters"][0]["values"]:
            return True
    return False


def _process(content: dict[str, Any], account: str, container: str, name: str, body: bytes, etag: str) -> None:
    # Another stack may be in the same cloud.
    app = next((each for each in _of_type(content, APP).values() if f"//{account}.blob." in json.dumps(each)), None)
    groups = {
        key: each["inputs"]
        for key, each in _of_type(content, GROUP).items()
        if each["inputs"]["volumes"][0]["azureFile"]["storageAccountName"] == account
    }
    made = [as_group(content, each["inputs"]) for each in _of_type(content, JOB).values()]
    of_jobs = [each for each in made if each["volumes"][0]["azureFile"]["storageAccountName"] == account]
    group = next(iter([*groups.values(), *of_jobs]), None)
    events, jobs = f"{account}/events", f"{account}/jobs"
    event = json.dumps({"data": {"eTag": etag}, "id": "e", "subject": f"/containers/{container}/blobs/{name}"})
    message = base64.b64encode(event.encode()).decode()
    if app is None or not _may(
        content, app["inputs"], f"{MESSAGES}/process/action", _queue(content, account, "events")
    ):
        _put(content, events, message)
        return
    may_send = _may(content, app["inputs"], f"{MESSAGES}/add/action", _queue(content, account, "jobs"))
    if "code" in content["broken"] or not may_send:
        _put(content, f"{events}-poison", message)
        return
    job = FileJob(etag=etag, event_id="e", name=name, queued_at=now(), size=len(body)).encode()
    # The function starts groups; executions of a job are started by the scaler, which reads the queue as the worker.
    started = group is not None and (
        _may(content, group, QUEUE_READ, _queue(content, account, "jobs"))
        if of_jobs and not groups
        else _may_start(content, app["inputs"], groups)
    )
    if group is None or not started or _group_problem(content, group):
        _put(content, jobs, job)
        return
    if not _worker_may(content, group):
        # The worker claims it again and again.
        content["queues"].setdefault(jobs, []).append({"text": job, "visible": False})
        return
    _answer(content, account, container, name, body, etag, group)


def _answer(
    content: dict[str, Any],
    account: str,
    container: str,
    name: str,
    body: bytes,
    etag: str,
    group: dict[str, Any],
) -> None:
    settings = {each["name"]: each.get("value", "") for each in group["containers"][0]["environmentVariables"]}
    names = StorageNames.from_environment(settings)
    failed = "application" in content["broken"]
    output = f"{names.output_directory(name)}/result.csv"
    receipt = Receipt(
        attempt=1,
        config_sha256="",
        error="The application ended with exit code 3." if failed else None,
        event_id="e",
        exit_code=3 if failed else 0,
        finished_at=now(),
        image=settings["APP_IMAGE"],
        input=InputVersion(etag=etag, name=name, sha256=hashlib.sha256(body).hexdigest(), size=len(body)),
        outputs=() if failed else (OutputFile(name=output, sha256=hashlib.sha256(body).hexdigest(), size=len(body)),),
        queued_at=now(),
        release="",
        started_at=now(),
        status="failed" if failed else "succeeded",
    )
    if not failed:
        put_blob(content, account, container, output, body)
    put_blob(content, account, container, names.log_name(name), b"log")
    metadata = {RECEIPT_ETAG_METADATA: etag}
    put_blob(content, account, container, names.receipt_name(name), receipt.encode().encode(), metadata)


def _group_problem(content: dict[str, Any], group: dict[str, Any]) -> str | None:
    """Return what the platform says of a group that cannot run any more, by what it would refuse of a new one."""
    try:
        check_group(content, group)
    except CloudError as error:
        return f"Failed to {'pull image' if 'InaccessibleImage' in str(error) else 'mount'}: {error}"
    return None


def _worker_may(content: dict[str, Any], group: dict[str, Any]) -> bool:
    settings = {each["name"]: each.get("value", "") for each in group["containers"][0]["environmentVariables"]}
    names = StorageNames.from_environment(settings)
    account = group["volumes"][0]["azureFile"]["storageAccountName"]
    container = f"{_account(content, account)}/blobServices/default/containers/{names.container}"
    read, output = f"{names.input_path}/a.csv", f"{names.output_path}/a.csv"
    jobs = _queue(content, account, "jobs")
    return (
        _may(content, group, f"{BLOBS}/read", container, path=read)
        and _may(content, group, f"{BLOBS}/read", container, prefix=f"{output}/")
        and all(_may(content, group, f"{BLOBS}/{each}", container, path=output) for each in ("delete", "read", "write"))
        and all(_may(content, group, f"{MESSAGES}/{each}", jobs) for each in ("process/action", "write"))
    )


def _of_type(content: dict[str, Any], token: str) -> dict[str, Any]:
    return {key: each for key, each in content["resources"].items() if each["type"] == token}


def _may_start(content: dict[str, Any], app: dict[str, Any], groups: Iterable[str]) -> bool:
    """Tell whether an app's identity may look at each of its container groups and start it."""
    verbs = ("read", "start/action")
    return all(
        _may(content, app, f"Microsoft.ContainerInstance/containerGroups/{verb}", group)
        for group in groups
        for verb in verbs
    )


def _may(
    content: dict[str, Any],
    inputs: dict[str, Any],
    action: str,
    scope: str,
    *,
    path: str | None = None,
    prefix: str | None = None,
) -> bool:
    """Tell whether one of the identities of a resource may do something."""
    principals = {stable_uuid(f"{each}/principal") for each in inputs["identity"]["userAssignedIdentities"]}
    return may(content, principals, Wanted(action=action, path=path, prefix=prefix, scope=scope))


def _account(content: dict[str, Any], name: str) -> str:
    return named(content, "azure-native:storage:StorageAccount", name) or ""


def _queue(content: dict[str, Any], account: str, name: str) -> str:
    return f"{_account(content, account)}/queueServices/default/queues/{name}"


def _put(content: dict[str, Any], queue: str, text: str) -> None:
    content["queues"].setdefault(queue, []).append({"text": text, "visible": True})
