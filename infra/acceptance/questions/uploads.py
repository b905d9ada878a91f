"""Which call each way of uploading raises, and whether a receipt comes."""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.site import TOPIC, Site

# Each way, with the call that its event names.
# Source: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
EXPECTED = {
    "append": "PutBlob",
    "blocks": "PutBlockList",
    "copy": "CopyBlob",
    "put": "PutBlob",
    "sdk": "PutBlockList",
}
EVENT_SECONDS = 300
EVENTS_VERSION = "2022-06-15"
LARGE = b"a,b\n" + b"1,2\n" * 50_000
QUEUE = "acceptance-events"
# An append blob rests for sweepGraceSeconds, and the sweep may pause for sweepPauseSeconds before it looks.
RECEIPT_SECONDS = 1200
SMALL = b"a,b\n1,2\n"


def upload_all(site: Site, folder: str) -> dict[str, tuple[str, str]]:
    """Upload a file each way below the input path; return name and ETag by way."""
    account, path = site.account, f"{site.account.names.input_path}/{folder}"
    # The copied one comes from outside of the input path, so that it raises no event of its own.
    source = f"{folder}/source.csv"
    ways: dict[str, Callable[[str], str]] = {
        "append": lambda name: account.append(name, SMALL),
        "blocks": lambda name: account.put_blocks(name, LARGE),
        "copy": lambda name: account.copy(name, source),
        "put": lambda name: account.put(name, SMALL),
        "sdk": lambda name: account.put_by_sdk(name, LARGE),
    }
    account.put(source, SMALL)
    return {way: (name := f"{path}/{way}.csv", upload(name)) for way, upload in ways.items()}


def _ask(site: Site) -> Seen:
    tap = f"{site.resource(TOPIC)['id']}/eventSubscriptions/acceptance"
    site.account.make_queue(QUEUE)
    try:
        site.azure.arm("PUT", tap, EVENTS_VERSION, _subscription(site)).value("Listening to all events")
        site.clock.wait(lambda: _is_there(site, tap), "the event subscription", seconds=300)
        uploaded = upload_all(site, f"acceptance-{uuid.uuid4().hex[:8]}")
        events = _events(site, uploaded)
        receipts = {way: _receipt(site, *each) for way, each in uploaded.items()}
    finally:
        site.azure.arm("DELETE", tap, EVENTS_VERSION)
        site.account.drop_queue(QUEUE)
    odd = [way for way, api in EXPECTED.items() if api not in events[way] or receipts[way] is None]
    told = "; ".join(
        f"{way}: {' and '.join(events[way]) or 'no event'}, {receipts[way] or 'no receipt'}" for way in sorted(EXPECTED)
    )
    return Seen(
        advice=(
            f"Files that are uploaded this way ({', '.join(odd)}) wait for the sweep: add what their events name to "
            "COMPLETING_APIS in infra/components/events.py and to COMPLETE_UPLOADS in "
            "function/pipeline_function/events.py."
        ),
        as_expected=not odd,
        details={"events": events, "receipts": receipts},
        text=told,
    )


def _events(site: Site, uploaded: dict[str, tuple[str, str]]) -> dict[str, list[str]]:
    """Return the calls that events named, by way; it waits until each way has one, or no longer."""
    calls: dict[str, list[str]] = {way: [] for way in uploaded}

    def look() -> bool | None:
        for text in site.account.messages(QUEUE):
            event = _decoded(text)
            for way, (name, _) in uploaded.items():
                api = str(event.get("data", {}).get("api"))
                if str(event.get("subject", "")).endswith(f"/blobs/{name}") and api not in calls[way]:
                    calls[way].append(api)
        return True if all(calls.values()) else None

    try:
        site.clock.wait(look, "an event of each upload", seconds=EVENT_SECONDS)
    except NotAnswered:
        # What did not come is part of the answer.
        return calls
    return calls


def _decoded(text: str) -> dict[str, Any]:
    """Return an event; Event Grid puts messages on a queue in base64."""
    # What is no base64 is as it was sent.
    with contextlib.suppress(ValueError):
        text = base64.b64decode(text, validate=True).decode()
    event: dict[str, Any] = json.loads(text)
    return event


def _is_there(site: Site, tap: str) -> bool | None:
    properties = (site.azure.arm("GET", tap, EVENTS_VERSION).body or {}).get("properties") or {}
    return True if properties.get("provisioningState") == "Succeeded" else None


def _receipt(site: Site, name: str, etag: str) -> str | None:
    """Wait for the receipt of a version; return its status, or None where none comes."""
    try:
        receipt = site.clock.wait(
            lambda: site.account.receipt(name, etag), f"the receipt of {name}", seconds=RECEIPT_SECONDS
        )
    except NotAnswered:
        return None
    return str(receipt["status"])


def _subscription(site: Site) -> dict[str, Any]:
    account = site.output("appStorageAccountName")
    return {
        "properties": {
            "destination": {
                "endpointType": "StorageQueue",
                "properties": {
                    "queueName": QUEUE,
                    "resourceId": f"{site.resource_group}/providers/Microsoft.Storage/storageAccounts/{account}",
                },
            },
            "eventDeliverySchema": "EventGridSchema",
            "filter": {"includedEventTypes": ["Microsoft.Storage.BlobCreated"]},
        }
    }


QUESTION = Question(
    ask=_ask,
    container_minutes=4,
    expected="put: PutBlob; blocks and SDK: PutBlockList; append: PutBlob; copy: CopyBlob; a receipt for each.",
    limit_minutes=60,
    minutes=6,
    name="uploads",
    source="https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage; append is inferred",
    text="Which call do uploads as of the portal, azcopy and the SDK, appends and copies raise, and does a receipt "
    "come?",
)
