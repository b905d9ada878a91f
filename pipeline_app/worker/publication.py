"""One attempt's right to publish: the blobs that it may write, in which state they are, and each of its writes.

Every write is conditional on the ETag that its writer saw; in which order they come is for ``commit`` to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from pipeline_app.contract import (
    LOG_NAME,
    LOG_STATE_METADATA,
    RECEIPT_ETAG_METADATA,
    RECEIPT_NAME,
    RECEIPT_STATUS_METADATA,
    Receipt,
)
from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.storage import BlobInfo, BlobStore, ClaimLost, Conflict

# The state of a log that ends in the receipt.
COMMITTED = "committed"


class InputChanged(Exception):
    """The input was overwritten or deleted since it was downloaded, and results of a later version may be there."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One attempt's right to publish below ``directory`` for one version of one input."""

    store: BlobStore
    directory: str
    input_name: str
    input_etag: str
    # Of this attempt, in hex, and nobody else's.
    id: str
    # Asked right before all becomes final; it raises where that is not to be.
    last_look: Callable[[], None] = lambda: None

    @property
    def owner(self) -> str:
        """Whose the blobs are, for their metadata."""
        return owner_of(self.input_name)

    @property
    def log_name(self) -> str:
        """The blob name of the log."""
        return f"{self.directory}/{LOG_NAME}"

    @property
    def receipt_name(self) -> str:
        """The blob name of the receipt."""
        return f"{self.directory}/{RECEIPT_NAME}"

    def is_done(self, receipt: BlobInfo | None) -> bool:
        """Tell whether a receipt's state is the terminal one of this input version."""
        return receipt is not None and receipt.metadata.get(RECEIPT_ETAG_METADATA) == self.input_etag

    def find_receipt(self) -> BlobInfo | None:
        """Return the state of the input's receipt, of whatever version, or None."""
        return self.store.head(self.receipt_name)

    def look(self) -> tuple[BlobInfo | None, BlobInfo | None]:
        """Return the state of log and receipt, looked at in this order.

        A receipt only comes after a change of the log, so a claim on the condition that the log is still as it was
        here means that the receipt is, too, or is just being withdrawn.
        """
        log = self.store.head(self.log_name)
        return log, self.find_receipt()

    def finish_earlier(self) -> tuple[BlobInfo | None, BlobInfo | None]:
        """Write the receipt of a committed attempt whose worker was lost before it could, if there is one.

        Returns:
            The states of log and receipt, as they are now.
        """
        log, receipt = self.look()
        if lacks_receipt(log, receipt):
            self.finish(log, receipt)
            return log, self.find_receipt()
        return log, receipt

    def finish(self, log: BlobInfo, receipt: BlobInfo | None) -> None:
        """Write the receipt that a committed log ends in, word for word, in the place of the one that is there."""
        try:
            size = int(log.metadata["receipt_bytes"])
            text = self.store.read(log.name, log.etag, log.size - size, size)
            expected = receipt.etag if receipt else None
            self.put_receipt(Receipt.decode(text.decode()), log.metadata["attempt"], expected)
        except Conflict:
            # Somebody else finished it or took over, which the caller sees at its next look.
            return

    def require_input(self) -> None:
        """Raise InputChanged if the input is no longer the version that this publication is for."""
        version = self.store.head(self.input_name)
        if version is None or version.etag != self.input_etag:
            raise InputChanged(f"{self.input_name!r} was overwritten or deleted while it was processed.")

    def require_claim(self, claim: str) -> None:
        """Raise ClaimLost if another attempt took over."""
        log = self.store.head(self.log_name)
        if log is None or log.etag != claim:
            raise ClaimLost(f"Another attempt took over {self.log_name!r}.")

    def put_output(self, file: LocalFile, expected: str | None, claim: str | None) -> None:
        """Write one result as this attempt's, under the claim if there is one; raises Conflict and BlobHeld."""
        self.store.put_file(
            f"{self.directory}/{file.name}",
            file.path,
            expected=expected,
            pieces=file.pieces,
            # A value that is empty comes back as none from some versions of the service.
            # Source: https://github.com/Azure/azure-sdk-for-js/issues/26501
            metadata={
                "attempt": self.id,
                "owner": self.owner,
                "sha256": file.sha256,
                **({"claim": claim} if claim is not None else {}),
            },
            writer=self.id,
        )

    def put_log(self, log: Path, record_bytes: int, expected: str | None) -> None:
        """Commit: write the log, of which the last bytes are the receipt's; raises Conflict and BlobHeld."""
        self.last_look()
        self.store.put_file(
            self.log_name,
            log,
            expected=expected,
            metadata={
                "attempt": self.id,
                "owner": self.owner,
                "receipt_bytes": str(record_bytes),
                LOG_STATE_METADATA: COMMITTED,
            },
            writer=self.id,
        )

    def put_receipt(self, receipt: Receipt, attempt: str, expected: str | None) -> str:
        """Write a receipt as that of an attempt, and return its ETag; raises Conflict and BlobHeld."""
        return self.store.put_bytes(
            self.receipt_name,
            receipt.encode().encode(),
            expected=expected,
            metadata={
                "attempt": attempt,
                RECEIPT_ETAG_METADATA: receipt.input.etag,
                RECEIPT_STATUS_METADATA: receipt.status,
            },
        )


def lacks_receipt(log: BlobInfo | None, receipt: BlobInfo | None) -> TypeGuard[BlobInfo]:
    """Tell whether the log is committed and its receipt was not written yet."""
    if log is None or log.metadata.get(LOG_STATE_METADATA) != COMMITTED:
        return False
    return receipt is None or receipt.metadata.get("attempt") != log.metadata["attempt"]


def owner_of(input_name: str) -> str:
    """Return whose the blobs of an input are, for their metadata."""
    # Metadata must be ASCII, blob names need not be.
    return hashlib.sha256(input_name.encode("utf-8", "surrogatepass")).hexdigest()
