"""Publishes the results of an attempt so that nobody ever sees a receipt that does not match its results.

The service, not timing, keeps two attempts apart; every write below is conditional on the ETag that its writer saw.

* ``run.log`` is the commit record. It is written after all results and ends in the receipt that follows it. An attempt
  whose log is committed is done: whoever comes next finishes its receipt word for word instead of running again.
* The first attempt creates everything only if absent. If any of it is there already, it takes over instead.
* Taking over first rewrites ``run.log`` as a claim. From then on no earlier attempt can commit, since its own write
  of the log would need the ETag it saw before.
* Only the newest version of the input may take over, so that a slow attempt never replaces newer results.
* Results of a newer input version overwrite those of an older one, so before that the older receipt is replaced by
  one that says ``failed``, superseded, and names no results. ``receipt.json`` never disappears, which keeps a late
  writer of the older version from creating it anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from pipeline_app.contract import (
    LOG_NAME,
    LOG_STATE_METADATA,
    RECEIPT_ETAG_METADATA,
    RECEIPT_NAME,
    RECEIPT_STATUS_METADATA,
    ContractError,
    Receipt,
)
from pipeline_app.worker.results import MAX_ROUNDS, LocalFile, replace_outputs
from pipeline_app.worker.storage import BlobHeld, BlobInfo, BlobStore, ClaimLost, Conflict

# So many old results that cannot be deleted are named one by one.
NAMED = 3

_log = logging.getLogger(__name__)

_CLAIMED = "claimed"
COMMITTED = "committed"
# Whose a receipt is that says nothing of its attempt; metadata should not be empty.
_NOBODY = "-"


class InputChanged(Exception):
    """The input was overwritten or deleted since it was downloaded, and results of a later version may be there."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One attempt's right to publish below ``directory`` for one version of one input."""

    store: BlobStore
    directory: str
    input_name: str
    input_etag: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

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

    def finish_earlier(self) -> tuple[BlobInfo | None, BlobInfo | None]:
        """Write the receipt of a committed attempt whose worker was lost before it could, if there is one.

        Returns:
            The states of log and receipt, as they are now.
        """
        log, receipt = self.look()
        if lacks_receipt(log, receipt):
            self._finish(log, receipt)
            return log, self.find_receipt()
        return log, receipt

    def publish(self, receipt: Receipt, files: Sequence[LocalFile], log: Path, *, first: bool) -> bool:
        """Make results, log and receipt visible, in this order.

        Args:
            receipt: the terminal receipt, naming ``files`` as they will be called in the container.
            files: the results.
            log: the log's file; the receipt is appended to it.
            first: nothing was ever published or begun for this input, as far as the caller knows.

        Returns:
            True if the receipt that is there now is this attempt's, False if another attempt was faster.

        An old result that is in nobody's way and cannot be deleted is named in the receipt, which stays what it is.

        Raises:
            BlobHeld: a blob that has to be replaced cannot be.
            ClaimLost: another attempt took over.
            InputChanged: this version is no longer the newest.
            NameClash: a result belongs to another input.
        """
        log_bytes = log.stat().st_size
        if first:
            try:
                for file in files:
                    self.put_output(file, None, None)
                self._put_log(log, _end_log(log, log_bytes, receipt), None)
                self._put_receipt(receipt, self.id, None)
            except (BlobHeld, Conflict):
                # Something is there already: a duplicate of this job, a lost attempt, or a repeated request of the
                # SDK whose first answer got lost. Taking over tells these apart.
                return self._take_over(receipt, files, log, log_bytes)
            return True
        return self._take_over(receipt, files, log, log_bytes)

    def refuse(self, receipt: Receipt) -> bool:
        """Write a failed receipt alone, where the log is held and nothing can be published.

        Results of an earlier version stay where they are, and no receipt names them any more.

        Returns:
            As ``publish``.

        Raises:
            BlobHeld: the receipt cannot be replaced either.
            ClaimLost: others kept writing meanwhile.
            InputChanged: this version is no longer the newest.
        """
        for _ in range(MAX_ROUNDS):
            log, current = self.finish_earlier()
            if self.is_done(current):
                return current is not None and current.metadata.get("attempt") == self.id
            self.require_input()
            # A log that is committed has its receipt by now and goes on to have it: whoever comes next would otherwise
            # finish that receipt and put it over this one.
            attempt = log.metadata.get("attempt", self.id) if log else self.id
            try:
                self._put_receipt(receipt, attempt, current.etag if current else None)
            except Conflict:
                continue
            return True
        raise ClaimLost(f"{self.receipt_name!r} changed {MAX_ROUNDS} times while it was written.")

    def _take_over(self, receipt: Receipt, files: Sequence[LocalFile], log: Path, log_bytes: int) -> bool:
        for _ in range(MAX_ROUNDS):
            log_blob, current = self.look()
            if lacks_receipt(log_blob, current):
                self._finish(log_blob, current)
                continue
            if self.is_done(current):
                return current is not None and current.metadata.get("attempt") == self.id
            for blob in (current, log_blob):
                # Nothing of the older version is touched where the end cannot be reached.
                if blob is not None and blob.held is not None:
                    raise blob.held
            try:
                claim, replaced = self._claim(log_blob, current)
            except Conflict:
                continue
            receipt = self._noting(receipt, replace_outputs(self, files, claim))
            try:
                self._put_log(log, _end_log(log, log_bytes, receipt), claim)
            except Conflict as error:
                # A repeated request of the SDK meets the log that its first try wrote.
                there = self.store.head(self.log_name)
                if there is None or (there.metadata.get("attempt"), there.metadata.get(LOG_STATE_METADATA)) != (
                    self.id,
                    COMMITTED,
                ):
                    raise ClaimLost(f"Another attempt took over {self.log_name!r}.") from error
            try:
                self._put_receipt(receipt, self.id, replaced)
            except Conflict:
                # The log is committed, so whoever was faster has written this very receipt.
                current = self.find_receipt()
                return current is not None and current.metadata.get("attempt") == self.id
            return True
        raise ClaimLost(f"{self.directory!r} changed {MAX_ROUNDS} times while it was taken over.")

    def require_input(self) -> None:
        """Raise InputChanged if the input is no longer the version that this publication is for."""
        version = self.store.head(self.input_name)
        if version is None or version.etag != self.input_etag:
            raise InputChanged(f"{self.input_name!r} was overwritten or deleted while it was processed.")

    def _noting(self, receipt: Receipt, left: Sequence[BlobHeld]) -> Receipt:
        """Return the receipt with what is left of an older version, which nobody should take for a result."""
        if not left:
            return receipt
        more = f" So are {len(left) - NAMED} more." if len(left) > NAMED else ""
        said = f"An older version's result is still there: {' '.join(map(str, left[:NAMED]))}{more}"
        _log.warning("%r: %s", self.input_name, said)
        if receipt.error:
            return dataclasses.replace(receipt, error=f"{receipt.error} {said}")
        return dataclasses.replace(receipt, warning=f"{receipt.warning} {said}" if receipt.warning else said)

    def look(self) -> tuple[BlobInfo | None, BlobInfo | None]:
        """Return the state of log and receipt, looked at in this order.

        A receipt only comes after a change of the log, so a claim on the condition that the log is still as it was
        here means that the receipt is, too, or is just being withdrawn.
        """
        log = self.store.head(self.log_name)
        return log, self.find_receipt()

    def _finish(self, log: BlobInfo, receipt: BlobInfo | None) -> None:
        try:
            size = int(log.metadata["receipt_bytes"])
            text = self.store.read(log.name, log.etag, log.size - size, size)
            expected = receipt.etag if receipt else None
            self._put_receipt(Receipt.decode(text.decode()), log.metadata["attempt"], expected)
        except Conflict:
            # Somebody else finished it or took over, which the caller sees at its next look.
            return

    def _claim(self, log: BlobInfo | None, receipt: BlobInfo | None) -> tuple[str, str | None]:
        """Take the log, then withdraw an older receipt; return the ETags of both."""
        # The input is looked at after receipt and log: had a newer version been published before, it would show here,
        # and if it is published after, the condition below fails.
        self.require_input()
        claim = self.store.put_bytes(
            self.log_name,
            b"The results are being written.\n",
            expected=log.etag if log else None,
            metadata={"attempt": self.id, "owner": self.owner, LOG_STATE_METADATA: _CLAIMED},
        )
        if receipt is None:
            return claim, None
        return claim, self._withdraw(receipt)

    def _withdraw(self, receipt: BlobInfo) -> str:
        text = self.store.read(receipt.name, receipt.etag, 0, max(receipt.size, 1))
        try:
            old = Receipt.decode(text.decode())
        except (ContractError, UnicodeDecodeError):
            # It is not a receipt of this pipeline, so it promises nothing that would have to be withdrawn.
            return receipt.etag
        if not old.outputs:
            return receipt.etag
        superseded = dataclasses.replace(
            old,
            error="Superseded: the input was overwritten and its new version is being published.",
            outputs=(),
            status="failed",
        )
        return self._put_receipt(superseded, receipt.metadata.get("attempt", _NOBODY), receipt.etag)

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

    def _put_log(self, log: Path, record_bytes: int, expected: str | None) -> None:
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

    def _put_receipt(self, receipt: Receipt, attempt: str, expected: str | None) -> str:
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


def _end_log(log: Path, size: int, receipt: Receipt) -> int:
    """Let a log of so many bytes end in the receipt, and return the bytes of that."""
    record = json.dumps(dataclasses.asdict(receipt)).encode() + b"\n"
    with log.open("r+b") as target:
        target.truncate(size)
        target.seek(size)
        target.write(b"\n" + record)
    return len(record)
