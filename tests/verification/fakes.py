"""A pipeline in memory that a canary goes through, as far as a test lets it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pipeline_app.contract import RECEIPT_ETAG_METADATA, InputVersion, OutputFile, Receipt
from tests.operate.fakes import MOMENT, NAMES, FakeStorage, event_message, job_message

IMAGE = "registry.azurecr.io/app@sha256:1"


@dataclass
class Pipeline(FakeStorage):
    """A storage account whose pipeline does one step at each tick; ``steps`` are what is still to be done.

    ``change`` is applied to the receipt before it is written, and ``rot`` to the result behind it.
    """

    steps: list[str] = field(default_factory=lambda: ["event", "job", "worker", "receipt"])
    change: Callable[[Receipt], Receipt] = lambda receipt: receipt
    rot: str = "result"
    seconds: float = 0.0
    uploaded: list[str] = field(default_factory=list)

    def digest(self, name: str) -> tuple[int, str] | None:
        if name not in self.blobs:
            return None
        data = self.blobs[name][1].encode()
        return len(data), hashlib.sha256(data).hexdigest()

    def remove(self, prefix: str) -> None:
        for name in [name for name in self.blobs if name.startswith(prefix)]:
            del self.blobs[name]

    def upload(self, name: str, content: bytes) -> str:  # type: ignore[override] # A deploy uploads bytes.
        self.uploaded.append(name)
        return super().upload(name, content.decode(), MOMENT).etag

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass, and the pipeline go on by a step."""
        self.seconds += seconds
        if self.steps:
            self._go_on(self.steps.pop(0))

    def _go_on(self, step: str) -> None:
        name = self.uploaded[-1]
        blob, text = self.blobs[name]
        if step == "event":
            self.queues["events"] = [event_message(name, blob.etag)]
        elif step == "job":
            self.queues |= {"events": [], "jobs": [job_message(name, blob.etag)]}
        elif step == "poison":
            self.queues |= {"events": [], "events-poison": [event_message(name, blob.etag)]}
        elif step == "worker":
            self.queues["jobs"], self.claimed["jobs"] = [], 1
            self._write(replace(blob, name=NAMES.log_name(name)), "log")
        else:
            self.claimed["jobs"] = 0
            self._write_receipt(name, blob.etag, text)

    def _write_receipt(self, name: str, etag: str, text: str) -> None:
        result = "result"
        output = f"{NAMES.output_directory(name)}/cleaned.csv"
        self._write(replace(self.blobs[name][0], name=output), self.rot)
        receipt = self.change(
            Receipt(
                attempt=1,
                config_sha256="",
                error=None,
                event_id="e",
                exit_code=0,
                finished_at="2026-01-31T12:00:05.000Z",
                image=IMAGE,
                input=InputVersion(
                    etag=etag, name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), size=len(text)
                ),
                outputs=(
                    OutputFile(
                        name=output, sha256=hashlib.sha256(result.encode()).hexdigest(), size=len(result.encode())
                    ),
                ),
                queued_at="",
                release="",
                started_at="",
                status="succeeded",
            )
        )
        blob = replace(
            self.blobs[name][0], metadata={RECEIPT_ETAG_METADATA: receipt.input.etag}, name=NAMES.receipt_name(name)
        )
        self._write(blob, receipt.encode())
