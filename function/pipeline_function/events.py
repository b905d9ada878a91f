"""From an Event Grid event to a job, or to the reason why there is none.

Pure: no Azure SDK, no clock but the job's time stamp, and no exception whatever bytes come in, since an event that
raised would come back again and again.

Source of the schema: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline_app.contract import (
    MAX_NATURAL,
    FileJob,
    StorageNames,
    is_folder_marker,
    now,
    plain_etag,
    stored_name,
)

BLOB_CREATED: Final = "Microsoft.Storage.BlobCreated"

# One upload can raise several events, some of them before the data is complete (CreateFile, SftpCreate); these are
# the calls after which a blob is whole.
COMPLETE_UPLOADS: Final = frozenset({"CopyBlob", "FlushWithClose", "PutBlob", "PutBlockList", "SftpCommit"})

# Blobs of these types are made first and filled by later calls, which raise no event; the sweep queues them once they
# have not changed for a while. Source: https://github.com/Azure/azure-sdk-for-js/issues/21402
MADE_EMPTY: Final = frozenset({"AppendBlob", "PageBlob"})

# The Queue service takes no message above 64 KiB; a real event has about 1 KiB.
MAX_MESSAGE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Ignored:
    """An event that is no work for the pipeline, with the reason in a sentence."""

    reason: str


def job_of_event(body: bytes, names: StorageNames, account: str) -> FileJob | Ignored:
    """Return the job that an event asks for.

    Args:
        body: one event in the Event Grid schema, JSON in UTF-8.
        names: the container and paths of the pipeline.
        account: the name of the application storage account; events of others are not for this pipeline.

    Returns:
        The job, or an ``Ignored`` with the reason. Never raises for any body.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        return Ignored(f"It has {len(body)} bytes, more than the {MAX_MESSAGE_BYTES} that a queue message can have.")
    try:
        event = json.loads(body)
    except (RecursionError, ValueError) as error:
        return Ignored(f"It is not JSON: {error}.")
    if not isinstance(event, dict):
        return Ignored(f"It is a JSON {type(event).__name__}, not one event object.")
    if event.get("eventType") != BLOB_CREATED:
        return Ignored(f"Its type is {_shown(event.get('eventType'))}, not {BLOB_CREATED!r}.")
    if (reason := _foreign(event, names, account)) is not None:
        return Ignored(reason)
    return _job(event, names)


def _foreign(event: Mapping[str, Any], names: StorageNames, account: str) -> str | None:
    """Return why an event belongs to another account, container or call, or None."""
    topic = event.get("topic")
    suffix = f"/Microsoft.Storage/storageAccounts/{account}"
    if not isinstance(topic, str) or not topic.lower().endswith(suffix.lower()):
        return f"Its topic is {_shown(topic)}, not the storage account {account!r}."
    subject = event.get("subject")
    if not isinstance(subject, str) or not subject.startswith(_subject_prefix(names)):
        return f"Its subject is {_shown(subject)}, not a blob of the container {names.container!r}."
    data = event.get("data")
    if not isinstance(data, dict):
        return f"Its data is {_shown(data)}, not an object."
    api = data.get("api")
    if not isinstance(api, str) or api not in COMPLETE_UPLOADS:
        return f"Its data.api is {_shown(api)}, not one of {', '.join(sorted(COMPLETE_UPLOADS))}."
    return None


def _job(event: Mapping[str, Any], names: StorageNames) -> FileJob | Ignored:
    """Return the job of an event whose topic, subject and data have been looked at."""
    # The service takes a backslash for a slash and cuts off dots at the end of a part, so the blob has this name
    # whatever the request for it said.
    name = stored_name(event["subject"].removeprefix(_subject_prefix(names)))
    if name.startswith(f"{names.output_path}/"):
        return Ignored(f"{_shown(name)} is an output of the pipeline.")
    if (reason := names.refusal(name)) is not None:
        return Ignored(reason)
    event_id, etag, size = event.get("id"), event["data"].get("eTag"), event["data"].get("contentLength")
    if not isinstance(event_id, str) or not event_id:
        return Ignored(f"Its id is {_shown(event_id)}, not a string.")
    if not isinstance(etag, str) or not plain_etag(etag):
        return Ignored(f"Its data.eTag is {_shown(etag)}, not an ETag.")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_NATURAL:
        return Ignored(f"Its data.contentLength is {_shown(size)}, not a number of bytes.")
    kind = event["data"].get("blobType")
    if kind in MADE_EMPTY and event["data"].get("api") == "PutBlob":
        return Ignored(f"{_shown(name)} is of the type {kind}, which is made before its content. The sweep queues it.")
    if is_folder_marker(name, size):
        return Ignored(f"{_shown(name)} stands for a folder.")
    job = FileJob(name=name, etag=plain_etag(etag), size=size, event_id=event_id, queued_at=now())
    length = len(job.encode())
    if length > MAX_MESSAGE_BYTES:
        return Ignored(f"Its job would have {length} bytes, more than the {MAX_MESSAGE_BYTES} of a queue message.")
    return job


def _shown(value: object) -> str:
    """Return a value of an event for a reason: on one line, in ASCII, and short whatever was sent."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _subject_prefix(names: StorageNames) -> str:
    return f"/blobServices/default/containers/{names.container}/blobs/"
