"""A storage account in memory as those see it who look after files: Azure's SDK over it, and what a test does to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from infra.operate.storage import Blob
from infra.settings.naming import DEAD_LETTER_CONTAINER
from infra.verification.azure import KeyedStorage
from pipeline_app.contract import (
    EVENTS_POISON_QUEUE,
    EVENTS_QUEUE,
    JOBS_POISON_QUEUE,
    JOBS_QUEUE,
    RECEIPT_ETAG_METADATA,
    FileJob,
    InputVersion,
    OutputFile,
    Receipt,
    Status,
    StorageNames,
)
from tests.memory.account import EPOCH, Account
from tests.memory.sdk import open_sdk

MOMENT = EPOCH
NAMES = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
OLD = MOMENT - timedelta(hours=1)
QUEUES = (EVENTS_QUEUE, EVENTS_POISON_QUEUE, JOBS_QUEUE, JOBS_POISON_QUEUE)


def open_account() -> Account:
    """Return an account with what the stack makes in it."""
    return Account(NAMES.container, DEAD_LETTER_CONTAINER, queues=QUEUES)


class MemoryStorage(KeyedStorage):
    """The account, and what users, Event Grid, the function and the worker do to it."""

    def __init__(self) -> None:
        self.account = open_account()
        super().__init__(*open_sdk(self.account), NAMES.container)

    def jobs(self) -> list[FileJob]:
        """Return the jobs on the queue that nobody works on."""
        return [
            FileJob.decode(message.content)
            for message in self.account.messages(JOBS_QUEUE)
            if message.visible_at <= self.account.clock
        ]

    def have(self, queue: str, *texts: str, claimed: bool = False) -> None:
        """Put such messages on a queue, which somebody works on if they are claimed."""
        for text in texts:
            self.account.queues.put(queue, text, self.account.clock, hidden=60 if claimed else 0)

    def have_letters(self, *texts: str) -> None:
        """Let there be dead letters."""
        for number, text in enumerate(texts):
            self.account.upload(f"{DEAD_LETTER_CONTAINER}/{number}.json", text.encode())

    def delete(self, name: str) -> None:
        """Delete a blob as a user would."""
        self.account.blobs.forget(f"{NAMES.container}/{name}")

    def user_uploads(
        self,
        name: str,
        text: str = "x",
        modified: datetime = OLD,
        metadata: Mapping[str, str] | None = None,
        **state: Any,
    ) -> Blob:
        """Write a blob as a user would, with more of what ``tests.memory.blob.Blob`` has."""
        at = (modified - EPOCH).total_seconds()
        self.account.upload(f"{NAMES.container}/{name}", text.encode(), metadata, at=at, **state)
        blob = self.find(name)
        assert blob is not None
        return blob

    def receive(
        self,
        name: str,
        etag: str,
        status: Status = "succeeded",
        outputs: tuple[OutputFile, ...] = (),
        error: str | None = None,
        log_tail: str | None = None,
        warning: str | None = None,
    ) -> None:
        """Write the receipt of a version of an input, as the worker would."""
        receipt = Receipt(
            attempt=1,
            config_sha256="",
            error=error,
            event_id="e",
            exit_code=0,
            finished_at="2026-01-31T11:00:05.000Z",
            image="",
            input=InputVersion(etag=etag, name=name, sha256=None, size=1),
            log_tail=log_tail,
            outputs=outputs,
            queued_at="",
            release="",
            started_at="",
            status=status,
            warning=warning,
        )
        self.user_uploads(NAMES.receipt_name(name), receipt.encode(), OLD, {RECEIPT_ETAG_METADATA: etag})


def event(name: str, etag: str = "0x1") -> dict[str, object]:
    """Return an event of Event Grid for a blob."""
    subject = f"/blobServices/default/containers/{NAMES.container}/blobs/{name}"
    return {"data": {"api": "PutBlob", "eTag": etag}, "id": "e", "subject": subject}


def event_message(name: str, etag: str = "0x1") -> str:
    """Return an event as it stands in the queue."""
    return base64.b64encode(json.dumps(event(name, etag)).encode()).decode()


def job_message(name: str, etag: str = "0x1") -> str:
    """Return a job as it stands in the queue."""
    return FileJob(etag=etag, event_id="e", name=name, queued_at="", size=1).encode()
