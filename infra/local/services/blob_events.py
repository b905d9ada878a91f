"""Which requests of Blob Storage are uploads, and the event that Azure raises for one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any, Final

from azure.storage.blob import BlobProperties

from infra.local.services.azurite import Access
from infra.operate.properties import plain

BLOB_CREATED: Final = "Microsoft.Storage.BlobCreated"
CREATED: Final = 201
ACCEPTED: Final = 202

Event = dict[str, Any]


def upload_of(access: Access) -> tuple[str, str, str] | None:
    """Return the container, blob and Event Grid API of a request that left a complete blob, or None.

    ``access.path`` is ``account/container/blob``; a blob's name may itself have slashes at either end.
    """
    if access.method != "PUT" or "restype" in access.query:
        return None
    parts = access.path.split("/", 2)
    if len(parts) < 3 or not parts[2]:
        return None
    comp = access.query.get("comp")
    if access.status == CREATED and comp == "blocklist":
        return parts[1], parts[2], "PutBlockList"
    if access.status == CREATED and comp is None:
        return parts[1], parts[2], "PutBlob"
    if access.status == ACCEPTED and comp is None:
        return parts[1], parts[2], "CopyBlob"
    return None


def subject_of(container: str, name: str) -> str:
    """Return the subject of the events that are about a blob."""
    return f"/blobServices/default/containers/{container}/blobs/{name}"


def blob_created(subject: str, url: str, api: str, sequence: int, blob: BlobProperties) -> Event:
    """Return the event of an upload in Event Grid's schema, all but its topic.

    Args:
        subject: the blob as events name it.
        url: the blob's address, percent-encoded.
        api: the operation that ended the upload, as :func:`upload_of` names it.
        sequence: a number that later uploads exceed.
        blob: what was uploaded.
    """
    request = str(uuid.uuid4())
    return {
        "data": {
            "api": api,
            "blobType": plain(blob.blob_type),
            "clientRequestId": request,
            "contentLength": blob.size,
            "contentType": blob.content_settings.content_type or "application/octet-stream",
            "eTag": blob.etag.strip('"'),
            "requestId": request,
            "sequencer": f"{sequence:032x}",
            "storageDiagnostics": {"batchId": request},
            "url": url,
        },
        "dataVersion": "",
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "eventType": BLOB_CREATED,
        "id": str(uuid.uuid4()),
        "metadataVersion": "1",
        "subject": subject,
    }


def blob_name(event: Event) -> str:
    """Return the name of the blob that an event is about."""
    name: str = event["subject"].split("/", 6)[6]
    return name
