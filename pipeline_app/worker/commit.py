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
* An attempt that does not come to commit removes what it wrote, and who finds the newest version done removes what lost
  attempts left (``results.remove_strays``).
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from pipeline_app.contract import LOG_STATE_METADATA, ContractError, Receipt
from pipeline_app.contract.log_lines import tell
from pipeline_app.contract.worker_events import Warned
from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.publication import COMMITTED, InputChanged, Publication, lacks_receipt
from pipeline_app.worker.results import MAX_ROUNDS, remove_own, replace_outputs
from pipeline_app.worker.storage import BlobHeld, BlobInfo, ClaimLost, Conflict

# So many old results that cannot be deleted are named one by one.
NAMED = 3

_CLAIMED = "claimed"
# Whose a receipt is that says nothing of its attempt; metadata should not be empty.
_NOBODY = "-"

_log = logging.getLogger(__name__)


def publish(publication: Publication, receipt: Receipt, files: Sequence[LocalFile], log: Path, *, first: bool) -> bool:
    """Make results, log and receipt visible, in this order.

    Args:
        publication: the attempt's right to do so.
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
    try:
        mine = _publish(publication, receipt, files, log, first=first)
    except (ClaimLost, InputChanged):
        remove_own(publication)
        raise
    if not mine:
        remove_own(publication)
    return mine


def refuse(publication: Publication, receipt: Receipt) -> bool:
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
        log, current = publication.finish_earlier()
        if publication.is_done(current):
            return current is not None and current.metadata.get("attempt") == publication.id
        publication.require_input()
        # A log that is committed has its receipt by now and goes on to have it: whoever comes next would otherwise
        # finish that receipt and put it over this one.
        attempt = log.metadata.get("attempt", publication.id) if log else publication.id
        try:
            publication.put_receipt(receipt, attempt, current.etag if current else None)
        except Conflict:
            continue
        return True
    raise ClaimLost(f"{publication.receipt_name!r} changed {MAX_ROUNDS} times while it was written.")


def _publish(publication: Publication, receipt: Receipt, files: Sequence[LocalFile], log: Path, *, first: bool) -> bool:
    log_bytes = log.stat().st_size
    if not first:
        return _take_over(publication, receipt, files, log, log_bytes)
    try:
        for file in files:
            publication.put_output(file, None, None)
        publication.put_log(log, _end_log(log, log_bytes, receipt), None)
        publication.put_receipt(receipt, publication.id, None)
    except (BlobHeld, Conflict):
        # Something is there already: a duplicate of this job, a lost attempt, or a repeated request of the SDK whose
        # first answer got lost. Taking over tells these apart.
        return _take_over(publication, receipt, files, log, log_bytes)
    return True


def _take_over(
    publication: Publication, receipt: Receipt, files: Sequence[LocalFile], log: Path, log_bytes: int
) -> bool:
    for _ in range(MAX_ROUNDS):
        log_blob, current = publication.look()
        if lacks_receipt(log_blob, current):
            publication.finish(log_blob, current)
            continue
        if publication.is_done(current):
            return current is not None and current.metadata.get("attempt") == publication.id
        for blob in (current, log_blob):
            # Nothing of the older version is touched where the end cannot be reached.
            if blob is not None and blob.held is not None:
                raise blob.held
        try:
            claim, replaced = _claim(publication, log_blob, current)
        except Conflict:
            continue
        receipt = _noting(publication, receipt, replace_outputs(publication, files, claim))
        try:
            publication.put_log(log, _end_log(log, log_bytes, receipt), claim)
        except Conflict as error:
            # A repeated request of the SDK meets the log that its first try wrote.
            there = publication.store.head(publication.log_name)
            if there is None or (there.metadata.get("attempt"), there.metadata.get(LOG_STATE_METADATA)) != (
                publication.id,
                COMMITTED,
            ):
                raise ClaimLost(f"Another attempt took over {publication.log_name!r}.") from error
        try:
            publication.put_receipt(receipt, publication.id, replaced)
        except Conflict:
            # The log is committed, so whoever was faster has written this very receipt.
            current = publication.find_receipt()
            return current is not None and current.metadata.get("attempt") == publication.id
        return True
    raise ClaimLost(f"{publication.directory!r} changed {MAX_ROUNDS} times while it was taken over.")


def _claim(publication: Publication, log: BlobInfo | None, receipt: BlobInfo | None) -> tuple[str, str | None]:
    """Take the log, then withdraw an older receipt; return the ETags of both."""
    # The input is looked at after receipt and log: had a newer version been published before, it would show here, and
    # if it is published after, the condition below fails.
    publication.require_input()
    claim = publication.store.put_bytes(
        publication.log_name,
        b"The results are being written.\n",
        expected=log.etag if log else None,
        metadata={"attempt": publication.id, "owner": publication.owner, LOG_STATE_METADATA: _CLAIMED},
    )
    if receipt is None:
        return claim, None
    return claim, _withdraw(publication, receipt)


def _withdraw(publication: Publication, receipt: BlobInfo) -> str:
    text = publication.store.read(receipt.name, receipt.etag, 0, max(receipt.size, 1))
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
    return publication.put_receipt(superseded, receipt.metadata.get("attempt", _NOBODY), receipt.etag)


def _noting(publication: Publication, receipt: Receipt, left: Sequence[BlobHeld]) -> Receipt:
    """Return the receipt with what is left of an older version, which nobody should take for a result."""
    if not left:
        return receipt
    more = f" So are {len(left) - NAMED} more." if len(left) > NAMED else ""
    said = f"An older version's result is still there: {' '.join(map(str, left[:NAMED]))}{more}"
    tell(_log, Warned(name=publication.input_name, warning=said))
    if receipt.error:
        return dataclasses.replace(receipt, error=f"{receipt.error} {said}")
    return dataclasses.replace(receipt, warning=f"{receipt.warning} {said}" if receipt.warning else said)


def _end_log(log: Path, size: int, receipt: Receipt) -> int:
    """Let a log of so many bytes end in the receipt, and return the bytes of that."""
    record = json.dumps(dataclasses.asdict(receipt)).encode() + b"\n"
    with log.open("r+b") as target:
        target.truncate(size)
        target.seek(size)
        target.write(b"\n" + record)
    return len(record)
