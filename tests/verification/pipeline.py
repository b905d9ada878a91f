"""A pipeline in memory that a canary goes through, as far as a test lets it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from pipeline_app.contract import RECEIPT_ETAG_METADATA, InputVersion, OutputFile, Receipt
from tests.memory.operate import MOMENT, NAMES, MemoryStorage, event_message, job_message

IMAGE = "registry.azurecr.io/app@sha256:1"


class Pipeline(MemoryStorage):
    """A storage account whose pipeline does one step at each tick; ``steps`` are what is still to be done.

    ``change`` is applied to the receipt before it is written, and ``rot`` to the result behind it.
    """

    def __init__(
        self,
        steps: Sequence[str] = ("event", "job", "worker", "receipt"),
        change: Callable[[Receipt], Receipt] = lambda receipt: receipt,
        rot: str = "result",
    ) -> None:
        super().__init__()
        self.steps = list(steps)
        self.uploaded: list[str] = []
        self._change = change
        self._rot = rot

    @property
    def blobs(self) -> list[str]:
        """The names of all blobs of the files container."""
        return [blob.name for blob in self.list("")]

    def upload(self, name: str, content: bytes) -> str:
        self.uploaded.append(name)
        return super().upload(name, content)

    def clock(self) -> float:
        return self.account.clock

    def sleep(self, seconds: float) -> None:
        """Let time pass, and the pipeline go on by a step."""
        self.account.clock += seconds
        if self.steps:
            self._go_on(self.steps.pop(0))

    def _go_on(self, step: str) -> None:
        name = self.uploaded[-1]
        blob, text = self.find(name), self.read(name)
        assert blob is not None
        assert text is not None
        if step == "event":
            self.have("events", event_message(name, blob.etag))
        elif step == "job":
            self._take("events")
            self.have("jobs", job_message(name, blob.etag))
        elif step == "poison":
            self._take("events")
            self.have("events-poison", event_message(name, blob.etag))
        elif step == "worker":
            self._take("jobs")
            self.have("jobs", job_message(name, blob.etag), claimed=True)
            self.user_uploads(NAMES.log_name(name), "log", MOMENT)
        else:
            self._take("jobs")
            self._write_receipt(name, blob.etag, text)

    def _take(self, queue: str) -> None:
        self.account.messages(queue).clear()

    def _write_receipt(self, name: str, etag: str, text: str) -> None:
        result = "result"
        output = f"{NAMES.output_directory(name)}/cleaned.csv"
        self.user_uploads(output, self._rot, MOMENT)
        receipt = self._change(
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
        self.user_uploads(
            NAMES.receipt_name(name), receipt.encode(), MOMENT, {RECEIPT_ETAG_METADATA: receipt.input.etag}
        )
