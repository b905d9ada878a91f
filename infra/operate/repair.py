"""Having files processed again, and queueing those whose event was lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from infra.operate.finding import find_name
from infra.operate.storage import Blob, OperateError, OverwrittenError, Storage, archive_problem
from pipeline_app.contract import (
    RECEIPT_ETAG_METADATA,
    RECEIPT_NAME,
    FileJob,
    StorageNames,
    is_folder_marker,
    now,
    plain_etag,
)
from pipeline_app.contract.audit import OutputPage, find_done, is_before

# So many refusals in a row are about the account and not about the files any more.
MAX_REFUSED: Final = 5
# So many inputs are compared with their receipts at a time.
PAGE: Final = 5000


@dataclass(frozen=True, kw_only=True)
class NotQueued:
    """An input that a backfill could not queue, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Retried:
    """A file that is processed again: its blob, the new version, and where that version's receipt will be."""

    etag: str
    name: str
    receipt_name: str


def retry(given: str, storage: Storage, names: StorageNames) -> Retried:
    """Have a file processed again, whatever its receipt says.

    A worker leaves a version alone that has its receipt, so the file becomes a new version of the same content. That
    raises its event and takes the way of any upload. The version that was looked at is the condition: a newer upload,
    which is on its way by itself, is never replaced by the older content.

    Raises:
        OperateError: there is no such input, it is archived, or it was overwritten or deleted meanwhile.
    """
    name = find_name(given, storage, names)
    if (reason := names.refusal(name)) is not None:
        raise OperateError(
            f"{reason} So it is never processed. Upload it below {names.input_path!r}, under another name if need be."
        )
    blob = storage.find(name)
    if blob is None:
        raise OperateError(f"{name!r} was deleted, only its receipt is left. Upload it again.")
    if is_folder_marker(name, blob.size, blob.metadata):
        raise OperateError(f"{name!r} stands for a folder and is no file. Name the files in it.")
    if (archived := archive_problem(blob)) is not None:
        raise OperateError(f"{name!r} cannot be processed now: {archived}")
    try:
        etag = storage.renew(blob)
    except OverwrittenError as error:
        raise OperateError(
            f"{name!r} was overwritten or deleted just now, so it was left alone: a new version is processed by itself."
        ) from error
    return Retried(etag=etag, name=name, receipt_name=names.receipt_name(name))


def backfill(
    storage: Storage,
    names: StorageNames,
    since: datetime | None = None,
    looked: Callable[[int], None] = lambda count: None,
) -> Iterator[FileJob | NotQueued]:
    """Put a job on the queue for each input whose present version has no receipt, and yield it, or why there is none.

    Unlike the sweep this neither waits for events that may be on the way nor for empty queues. A job too many does no
    harm: the worker sees the receipt and leaves the file alone. However many inputs there are, no more than a page of
    them is remembered.

    Args:
        storage: the account.
        names: container and paths.
        since: leaves inputs out that were uploaded before, a moment with a time zone.
        looked: is told now and then how many blobs below the input path were looked at.

    Raises:
        OperateError: the blobs cannot be listed, or one job after the other is refused.
    """
    refused = count = 0
    listed = storage.list(f"{names.input_path}/")
    while page := list(islice(listed, PAGE)):
        inputs = [blob for blob in page if _counts(blob, names, since)]
        for blob in _without_receipt(inputs, storage, names):
            event_id = f"backfill-{uuid.uuid4()}"
            job = FileJob(etag=blob.etag, event_id=event_id, name=blob.name, queued_at=now(), size=blob.size)
            try:
                storage.put(job)
            except OperateError as error:
                refused += 1
                if refused >= MAX_REFUSED:
                    raise
                yield NotQueued(name=blob.name, reason=str(error))
            else:
                refused = 0
                yield job
        count += len(page)
        looked(count)


def _counts(blob: Blob, names: StorageNames, since: datetime | None) -> bool:
    if not names.is_input(blob.name) or (since is not None and blob.modified < since):
        return False
    return not is_folder_marker(blob.name, blob.size, blob.metadata)


def _without_receipt(inputs: Sequence[Blob], storage: Storage, names: StorageNames) -> Iterator[Blob]:
    """Iterate over the inputs whose present version has no receipt: those that no listing shows are asked for."""
    wanted = {names.receipt_name(blob.name): blob for blob in inputs}

    def page_from(start: str) -> OutputPage | None:
        page = storage.page(f"{names.output_path}/", start)
        if page.blobs and is_before(page.blobs[0].name, start):
            return None
        etags = {blob.name: _input_etag(blob) for blob in page.blobs if blob.name.endswith(f"/{RECEIPT_NAME}")}
        return OutputPage(etags, page.blobs[-1].name if page.more and page.blobs else None)

    done = find_done({name: blob.etag for name, blob in wanted.items()}, page_from)
    for name, blob in wanted.items():
        if name in done:
            continue
        receipt = storage.find(name)
        if receipt is None or _input_etag(receipt) != blob.etag:
            yield blob


def _input_etag(receipt: Blob) -> str:
    """Return the ETag of the input that a receipt is of; empty where it says none."""
    return plain_etag(receipt.metadata.get(RECEIPT_ETAG_METADATA, ""))
