"""The function's storage over an account in memory: its own requests, and what users and workers do to the account."""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from pipeline_app.contract import (
    EVENTS_QUEUE,
    JOBS_QUEUE,
    LOG_SECONDS_METADATA,
    LOG_STATE_METADATA,
    LOG_WORKING,
    RECEIPT_ETAG_METADATA,
    STATE_CONTAINER,
    ContractError,
    FileJob,
    StorageNames,
)
from pipeline_app.contract.audit import OutputPage
from pipeline_function.azure import STATE_PATH, AzureStorage
from pipeline_function.services import Backlog, InputBlob, InputPage, Progress
from tests.memory.account import EPOCH, Account
from tests.memory.blob import Blob
from tests.memory.endpoint import MemoryEndpoint
from tests.memory.requests import Asked

ACCOUNT: Final = "appstorage1"
NAMES: Final = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
WAITING: Final = "what waits"
LONG_SECONDS: Final = 10**9


def refuse_jobs(asked: Asked) -> None:
    """Break off a request that puts a job, as an ``Account.before``."""
    if asked.method == "POST" and asked.path.startswith(JOBS_QUEUE):
        raise ConnectionError("503 Server Busy")


class MemoryStorage(AzureStorage):
    """The account; ``calls`` has the names of the methods in the order of their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.memory = Account(NAMES.container, STATE_CONTAINER, queues=(EVENTS_QUEUE, JOBS_QUEUE))
        blobs, queues = (MemoryEndpoint(self.memory.answer, service) for service in ("blob", "queue"))
        super().__init__(ACCOUNT, NAMES, blobs, queues)

    @property
    def jobs(self) -> list[FileJob]:
        """The jobs that the function has put, by their names, since several are put at once in whatever order."""
        found = []
        for message in self.memory.messages(JOBS_QUEUE):
            with suppress(ContractError):
                found.append(FileJob.decode(message.content))
        return sorted(found, key=lambda job: job.name)

    @property
    def state(self) -> str | None:
        """What one sweep leaves for the next."""
        blob = self.memory.blobs.blobs.get(STATE_PATH)
        return None if blob is None else blob.data.decode()

    @state.setter
    def state(self, text: str) -> None:
        self.memory.upload(STATE_PATH, text.encode())

    def have(self, blobs: Sequence[InputBlob], progress: Progress = Progress.UNKNOWN) -> None:
        """Let there be inputs, in the place of others of their names, that have come so far."""
        for blob in blobs:
            at = (blob.modified - EPOCH).total_seconds()
            self.memory.blobs.set(f"{NAMES.container}/{blob.name}", Blob(blob.etag, bytes(blob.size), modified=at))
            if progress is not Progress.UNKNOWN:
                self.come(blob, progress)

    def come(self, blob: InputBlob, progress: Progress) -> None:
        """Let the worker be so far with a version of an input."""
        metadata = {RECEIPT_ETAG_METADATA: blob.etag}
        receipt, log = (f"{NAMES.container}/{name(blob.name)}" for name in (NAMES.receipt_name, NAMES.log_name))
        if progress is Progress.DONE:
            self.memory.upload(receipt, b"{}", metadata)
        elif progress is Progress.WORKING:
            said = {LOG_SECONDS_METADATA: str(LONG_SECONDS), LOG_STATE_METADATA: LOG_WORKING}
            self.memory.upload(log, b"", metadata | said)
        else:
            self.memory.blobs.forget(log)
            self.memory.blobs.forget(receipt)

    def wait(self, moment: datetime, *, events: int = 0, jobs: int = 0, oldest: datetime | None = None) -> None:
        """Let it be this moment, with so many messages in the queues.

        The first of them that nobody works on is as old as ``oldest``; without that, somebody works on each.
        """
        self.memory.clock = (moment - EPOCH).total_seconds()
        since = self.memory.clock if oldest is None else (oldest - EPOCH).total_seconds()
        for queue, count in ((EVENTS_QUEUE, events), (JOBS_QUEUE, jobs)):
            self.memory.messages(queue).clear()
            for _ in range(count):
                self.memory.queues.put(queue, WAITING, since, hidden=0 if oldest else LONG_SECONDS)

    def backlog(self) -> Backlog:
        self.calls.append("backlog")
        return super().backlog()

    def inputs(
        self, token: str | None, start: str | None = None, since: datetime | None = None, known: Container[str] = ()
    ) -> InputPage:
        self.calls.append("inputs")
        return super().inputs(token, start, since, known)

    def is_folder(self, name: str) -> bool:
        self.calls.append("is_folder")
        return super().is_folder(name)

    def job_count(self) -> int:
        self.calls.append("job_count")
        return super().job_count()

    def progress(self, blob: InputBlob) -> Progress:
        self.calls.append("progress")
        return super().progress(blob)

    def receipts(self, start: str) -> OutputPage | None:
        self.calls.append("receipts")
        return super().receipts(start)

    def put(self, job: FileJob) -> None:
        self.calls.append("put")
        super().put(job)
