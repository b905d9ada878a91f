"""The application storage account in memory: uploads raise events, and receipts come."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from infra.acceptance.clock import Clock
from pipeline_app.contract import StorageNames

EVENT_SECONDS = 10.0
RECEIPT_SECONDS = 60.0


@dataclass
class StandinAccount:
    """Plays the account.

    Attributes:
        apis: the call that an upload's event names, by way; a way that is missing raises none.
        clock: the stand-in's time.
        receipt_status: what receipts say.
        tap: the queue that gets all events, or None.
        unprocessed: ways whose uploads get no receipt.
        woken_by: the beginning of a receipt's event id.
    """

    clock: Clock
    apis: dict[str, str] = field(
        default_factory=lambda: {
            "append": "PutBlob",
            "blocks": "PutBlockList",
            "copy": "CopyBlob",
            "put": "PutBlob",
            "sdk": "PutBlockList",
        }
    )
    files: dict[str, str] = field(default_factory=dict)
    names: StorageNames = field(
        default_factory=lambda: StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
    )
    queues: dict[str, list[str]] = field(default_factory=dict)
    receipt_status: str = "succeeded"
    tap: str | None = None
    unprocessed: tuple[str, ...] = ()
    uploads: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    woken_by: str = "event"

    def append(self, name: str, content: bytes) -> str:
        return self._uploaded("append", name, content)

    def copy(self, name: str, source: str) -> str:
        assert source in self.uploads, f"there is no {source}"
        return self._uploaded("copy", name, b"")

    def put(self, name: str, content: bytes) -> str:
        return self._uploaded("put", name, content)

    def put_blocks(self, name: str, content: bytes) -> str:
        return self._uploaded("blocks", name, content)

    def put_by_sdk(self, name: str, content: bytes) -> str:
        return self._uploaded("sdk", name, content)

    def receipt(self, name: str, etag: str) -> dict[str, Any] | None:
        way, newest, since = self.uploads[name]
        if newest != etag or way in self.unprocessed or self.clock.now() < since + RECEIPT_SECONDS:
            return None
        return {
            "event_id": f"{self.woken_by}-1",
            "finished_at": "2026-01-31T12:00:50.000Z",
            "queued_at": "2026-01-31T12:00:10.000Z",
            "started_at": "2026-01-31T12:00:45.000Z",
            "status": self.receipt_status,
        }

    def make_queue(self, name: str) -> None:
        self.queues[name] = []

    def drop_queue(self, name: str) -> None:
        self.queues.pop(name, None)

    def messages(self, name: str) -> list[str]:
        taken, self.queues[name] = self.queues[name], []
        return taken

    def share_text(self, path: str) -> str | None:
        return self.files.get(path)

    def _uploaded(self, way: str, name: str, _content: bytes) -> str:
        etag = f"0x{len(self.uploads)}"
        self.uploads[name] = (way, etag, self.clock.now())
        if self.tap is not None and way in self.apis:
            event = {
                "data": {"api": self.apis[way]},
                "eventType": "Microsoft.Storage.BlobCreated",
                "subject": f"/blobServices/default/containers/{self.names.container}/blobs/{name}",
            }
            self.queues[self.tap].append(base64.b64encode(json.dumps(event).encode()).decode())
        return etag
