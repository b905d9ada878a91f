"""A storage account in memory, for tests of what looks after files."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from infra.operate.storage import Blob, OverwrittenError, Peeked
from pipeline_app.contract import (
    MAX_PEEKED,
    RECEIPT_ETAG_METADATA,
    FileJob,
    InputVersion,
    OutputFile,
    Receipt,
    Status,
    StorageNames,
)

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
OLD = MOMENT - timedelta(hours=1)


@dataclass
class FakeStorage:
    """Follows the protocol Storage; each write gives a new ETag."""

    blobs: dict[str, tuple[Blob, str]] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)
    letters: list[str] = field(default_factory=list)
    queues: dict[str, list[str]] = field(default_factory=dict)
    etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def upload(
        self,
        name: str,
        text: str = "x",
        modified: datetime = OLD,
        kind: str = "BlockBlob",
        metadata: Mapping[str, str] | None = None,
        tier: str | None = None,
        archive_status: str | None = None,
        held: str | None = None,
    ) -> Blob:
        """Write a blob as a user would."""
        blob = Blob(
            archive_status=archive_status,
            etag="",
            held=held,
            kind=kind,
            metadata=metadata or {},
            modified=modified,
            name=name,
            size=len(text),
            tier=tier,
        )
        return self._write(blob, text)

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
        blob = Blob(
            etag="", metadata={RECEIPT_ETAG_METADATA: etag}, modified=OLD, name=NAMES.receipt_name(name), size=1
        )
        self._write(blob, receipt.encode())

    def dead_letters(self) -> Iterator[str]:
        yield from self.letters

    def find(self, name: str) -> Blob | None:
        return self.blobs[name][0] if name in self.blobs else None

    def list(self, prefix: str) -> Iterator[Blob]:
        yield from [blob for name, (blob, _) in sorted(self.blobs.items()) if name.startswith(prefix)]

    def peek(self, queue: str) -> Peeked:
        texts = self.queues.get(queue, [])
        return Peeked(texts=tuple(texts[:MAX_PEEKED]), total=len(texts) + self.claimed.get(queue, 0))

    def put(self, job: FileJob) -> None:
        self.queues.setdefault("jobs", []).append(job.encode())

    def read(self, name: str) -> str | None:
        return self.blobs[name][1] if name in self.blobs else None

    def renew(self, blob: Blob) -> str:
        present = self.find(blob.name)
        if present is None or present.etag != blob.etag:
            raise OverwrittenError(blob.name)
        return self._write(present, self.blobs[blob.name][1]).etag

    def _write(self, blob: Blob, text: str) -> Blob:
        blob = replace(blob, etag=f"0x{next(self.etags):X}")
        self.blobs[blob.name] = (blob, text)
        return blob


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
