"""What has to hold in every state, and at the end."""

from __future__ import annotations

from typing import Final

from pipeline_app.contract import LOG_STATE_METADATA, RECEIPT_ETAG_METADATA, FileJob, Receipt, StorageNames
from pipeline_app.worker.publication import COMMITTED
from tests.interleavings.storage import Storage, sha256
from tests.memory.queues import Queued

NAMES: Final = StorageNames(container="c", input_path="incoming", output_path="outgoing")


class Promises:
    """The promises about one input."""

    def __init__(self, name: str) -> None:
        self._directory = NAMES.output_directory(name)
        self._facts: dict[Storage, tuple[str, bool, str | None]] = {}
        self._name = name

    def message(self, message_id: str, etag: str) -> Queued:
        """Return the message of a job for a version of the input."""
        job = FileJob(etag=etag, event_id=message_id, name=self._name, queued_at="2026-01-01T00:00:00.000Z", size=1)
        return Queued(content=job.encode(), id=message_id)

    def hold(self, before: Storage, after: Storage, *, done: bool) -> tuple[bool, str | None]:
        """Return whether the newest version has its receipt, and which promise is broken by this step, in words.

        Args:
            before: blobs and messages before the step.
            after: those after it.
            done: whether the newest version had its receipt before the step.
        """
        if after is before:
            return done, None
        if after not in self._facts:
            self._facts[after] = self._look(after)
        newest, has_receipt, problem = self._facts[after]
        if problem is None and done and not has_receipt and newest == self._newest(before):
            problem = "The newest version had its receipt, and has it no more."
        return has_receipt, problem

    def kept_at_the_end(self, storage: Storage, *, tidy: bool) -> str | None:
        """Return which promise is broken now that nothing is left to do, in words.

        Args:
            storage: what there is.
            tidy: whether an attempt came to its end after whatever was lost, so that nothing may be left of that.
        """
        receipt = self._receipt(storage)
        if storage.messages:
            return "the message is still there after eight attempts"
        if storage.buried:
            return "the message was buried"
        if receipt is None or receipt.input.etag != self._newest(storage):
            return "the newest version has no receipt"
        if receipt.status != "succeeded":
            return f"its receipt says {receipt.status}: {receipt.error}"
        names = {each.name for each in receipt.outputs}
        there = set(storage.names(f"{self._directory}/"))
        stray = there - names - {NAMES.log_name(self._name), NAMES.receipt_name(self._name)}
        return f"beside the results there are {sorted(stray)}" if stray and tidy else self._lie(storage, receipt)

    def _look(self, storage: Storage) -> tuple[str, bool, str | None]:
        newest, receipt = self._newest(storage), self._receipt(storage)
        done = receipt is not None and receipt.input.etag == newest
        problem = self._lie(storage, receipt)
        if problem is None and done and receipt is not None and receipt.status == "succeeded":
            problem = self._other_log(storage)
        if problem is None and not storage.messages and not done:
            problem = "No message is left, and the newest version has no receipt."
        return newest, done, problem

    def _other_log(self, storage: Storage) -> str | None:
        log, receipt = storage.blob(NAMES.log_name(self._name)), storage.blob(NAMES.receipt_name(self._name))
        assert receipt is not None
        said = dict(log.metadata) if log else {}
        attempt = dict(receipt.metadata)["attempt"]
        if (said.get(LOG_STATE_METADATA), said.get("attempt")) == (COMMITTED, attempt):
            return None
        return f"The newest version has its receipt, by {attempt}, but the log is {said}."

    def _lie(self, storage: Storage, receipt: Receipt | None) -> str | None:
        if receipt is None or receipt.status != "succeeded":
            return None
        wanted = set()
        for output in receipt.outputs:
            blob = storage.blob(output.name)
            if blob is None:
                return f"the receipt names {output.name}, which is not there"
            if sha256(blob.data) != output.sha256:
                return f"the receipt is of other content than {output.name} has: {blob.data.decode()}"
            if f"of version {receipt.input.etag} " not in blob.data.decode():
                return f"the receipt of version {receipt.input.etag} names what is {blob.data.decode()}"
            wanted.add(output.name.rpartition("/")[2])
        source = storage.blob(self._name)
        if source is not None and source.etag == receipt.input.etag and wanted != set(source.data.decode().split()):
            return f"the receipt names {sorted(wanted)} alone"
        return None

    def _newest(self, storage: Storage) -> str:
        blob = storage.blob(self._name)
        assert blob is not None
        return blob.etag

    def _receipt(self, storage: Storage) -> Receipt | None:
        blob = storage.blob(NAMES.receipt_name(self._name))
        if blob is None:
            return None
        receipt = Receipt.decode(blob.data.decode())
        assert dict(blob.metadata)[RECEIPT_ETAG_METADATA] == receipt.input.etag
        return receipt
