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
from pipeline_app.worker.storage import BlobInfo, BlobStore, ClaimLost, Conflict

# Each round loses only to another writer's progress, so many rounds mean that something else writes there.
MAX_ROUNDS = 20

_CLAIMED = "claimed"
COMMITTED = "committed"
# Whose a receipt is that says nothing of its attempt; metadata should not be empty.
_NOBODY = "-"


class InputChanged(Exception):
    """The input was overwritten or deleted since it was downloaded, and results of a later version may be there."""


class NameClash(Exception):
    """A result would overwrite a result of another input; the text names both."""


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A result on disk: its name below the output folder, size in bytes and SHA-256 in hex."""

    name: str
    path: Path
    size: int
    sha256: str


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
        # Metadata must be ASCII, blob names need not be.
        return hashlib.sha256(self.input_name.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def log_name(self) -> str:
        """The blob name of the log."""
        return f"{self.directory}/{LOG_NAME}"

    @property
    def _receipt_name(self) -> str:
        return f"{self.directory}/{RECEIPT_NAME}"

    def is_done(self, receipt: BlobInfo | None) -> bool:
        """Tell whether a receipt's state is the terminal one of this input version."""
        return receipt is not None and receipt.metadata.get(RECEIPT_ETAG_METADATA) == self.input_etag

    def find_receipt(self) -> BlobInfo | None:
        """Return the state of the input's receipt, of whatever version, or None."""
        return self.store.head(self._receipt_name)

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

        Raises:
            ClaimLost: another attempt took over.
            InputChanged: this version is no longer the newest.
            NameClash: a result belongs to another input.
        """
        record = json.dumps(dataclasses.asdict(receipt)).encode() + b"\n"
        with log.open("ab") as target:
            target.write(b"\n" + record)
        if first:
            try:
                for file in files:
                    self._put_output(file, None, None)
                self._put_log(log, len(record), None)
                self._put_receipt(receipt, self.id, None)
            except Conflict:
                # Something is there already: a duplicate of this job, a lost attempt, or a repeated request of the
                # SDK whose first answer got lost. Taking over tells these apart.
                return self._take_over(receipt, files, log, len(record))
            return True
        return self._take_over(receipt, files, log, len(record))

    def _take_over(self, receipt: Receipt, files: Sequence[LocalFile], log: Path, record_bytes: int) -> bool:
        for _ in range(MAX_ROUNDS):
            log_blob, current = self.look()
            if lacks_receipt(log_blob, current):
                self._finish(log_blob, current)
                continue
            if self.is_done(current):
                return current is not None and current.metadata.get("attempt") == self.id
            try:
                claim, replaced = self._claim(log_blob, current)
            except Conflict:
                continue
            self._replace_outputs(files, claim)
            try:
                self._put_log(log, record_bytes, claim)
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

    def _replace_outputs(self, files: Sequence[LocalFile], claim: str) -> None:
        mine = {f"{self.directory}/{file.name}": file for file in files}
        for file in mine.values():
            self._replace_output(file, claim)
        for blob in self.store.list(f"{self.directory}/"):
            if blob.metadata.get("owner") == self.owner and "sha256" in blob.metadata and blob.name not in mine:
                self._require(claim)
                try:
                    self.store.delete(blob.name, blob.etag)
                except Conflict:
                    # A late writer touched it; the next take-over or overwrite tidies up.
                    continue

    def _replace_output(self, file: LocalFile, claim: str) -> None:
        name = f"{self.directory}/{file.name}"
        for _ in range(MAX_ROUNDS):
            blob = self.store.head(name)
            if blob is not None:
                owner = blob.metadata.get("owner", self.owner)
                if owner != self.owner:
                    raise NameClash(
                        f"The result {file.name!r} would overwrite {name!r}, which belongs to another input. "
                        "Rename one of the two inputs, of which one is named like a folder of the other."
                    )
                if blob.metadata.get("claim") == claim:
                    # A repeated request of the SDK meets what its first try wrote. Nothing older may be kept, not
                    # even with the same content: an earlier holder of the claim may be about to overwrite it, and
                    # only a new ETag stops that.
                    return
            # The claim is checked after the ETag was read: a later attempt writes only after it took the claim, so
            # if the claim still stands, the ETag is from before and the condition below fails once it has written.
            self._require(claim)
            try:
                self._put_output(file, blob.etag if blob else None, claim)
            except Conflict:
                continue
            return
        raise ClaimLost(f"{name!r} changed {MAX_ROUNDS} times while it was replaced.")

    def _require(self, claim: str) -> None:
        log = self.store.head(self.log_name)
        if log is None or log.etag != claim:
            raise ClaimLost(f"Another attempt took over {self.log_name!r}.")

    def _put_output(self, file: LocalFile, expected: str | None, claim: str | None) -> None:
        self.store.put_file(
            f"{self.directory}/{file.name}",
            file.path,
            expected=expected,
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
            self._receipt_name,
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
