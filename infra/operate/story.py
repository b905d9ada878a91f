"""One file's facts, gathered from storage; ``telling`` puts them into words."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from infra.operate.log_lines import of_file
from infra.operate.storage import Blob, OperateError, Storage
from pipeline_app.contract import (
    EVENTS_POISON_QUEUE,
    EVENTS_QUEUE,
    JOBS_POISON_QUEUE,
    JOBS_QUEUE,
    ContractError,
    FileJob,
    Receipt,
    StorageNames,
)
from pipeline_app.worker.publication import owner_of

LOG_LINES: Final = 10
MOST_HELD: Final = 5
QUEUES: Final = (EVENTS_QUEUE, EVENTS_POISON_QUEUE, JOBS_QUEUE, JOBS_POISON_QUEUE)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A message for the file in a queue; ``etag`` is the version that it is for, or None where it does not say."""

    etag: str | None
    queue: str


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """An event of the file that could not be delivered, in Event Grid's words."""

    etag: str | None
    outcome: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that storage knows of one file.

    Attributes:
        broken: results that the receipt names and that are not there as it says, in a sentence each.
        counts: by queue, how many messages were looked at, and about how many there are.
        dead_letters: its events that could not be delivered.
        held: why blobs of an older version can be neither overwritten nor deleted, in sentences for each.
        input: its present version, or None.
        is_input: whether its name is below the input path.
        log: the last events of it that the workers logged, or None where their log cannot be read from here.
        log_blob: its ``run.log``, or None.
        name: the blob's name.
        receipt: its receipt, of whatever version, or None.
        receipt_name: where its receipt is or will be.
        receipt_problem: why what is there as its receipt cannot be read, or None.
        sightings: messages for it.
    """

    broken: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    dead_letters: tuple[DeadLetter, ...]
    held: tuple[str, ...]
    input: Blob | None
    is_input: bool
    log: tuple[Mapping[str, Any], ...] | None
    log_blob: str | None
    name: str
    receipt: Receipt | None
    receipt_name: str
    receipt_problem: str | None
    sightings: tuple[Sighting, ...]


def gather(name: str, storage: Storage, names: StorageNames, log: Iterable[str] | None) -> Story:
    """Look at everything that tells of a file; ``log`` are the lines of the workers' consoles, or None.

    The receipt is looked at after the input, so a receipt of an earlier version shows as that, and the messages are
    looked at before both: a message that is gone by then has left its receipt.
    """
    sightings, counts = messages(name, storage)
    dead_letters = tuple(_dead_letters(name, storage))
    present = storage.find(name)
    told = None if log is None else tuple(of_file(name, log)[-LOG_LINES:])
    if not names.is_input(name):
        return Story(
            broken=(),
            counts=counts,
            dead_letters=dead_letters,
            held=(),
            input=present,
            is_input=False,
            log=told,
            log_blob=None,
            name=name,
            receipt=None,
            receipt_name="",
            receipt_problem=None,
            sightings=sightings,
        )
    receipt, problem = _receipt(names.receipt_name(name), storage)
    log_blob = storage.find(names.log_name(name))
    return Story(
        broken=tuple(_broken(receipt, storage, names)) if receipt else (),
        counts=counts,
        dead_letters=dead_letters,
        held=tuple(islice(_held(name, storage, names), MOST_HELD)),
        input=present,
        is_input=True,
        log=told,
        log_blob=log_blob.name if log_blob else None,
        name=name,
        receipt=receipt,
        receipt_name=names.receipt_name(name),
        receipt_problem=problem,
        sightings=sightings,
    )


def messages(name: str, storage: Storage) -> tuple[tuple[Sighting, ...], dict[str, tuple[int, int]]]:
    """Return the messages for a file, and by queue how many were looked at and about how many there are."""
    sightings, counts = [], {}
    for queue in QUEUES:
        peeked = storage.peek(queue)
        counts[queue] = (len(peeked.texts), max(len(peeked.texts), peeked.total))
        sightings += [each for text in peeked.texts if (each := _sighting(text, name, queue))]
    return tuple(sightings), counts


def _broken(receipt: Receipt, storage: Storage, names: StorageNames) -> Iterator[str]:
    if not receipt.outputs:
        return
    there = {blob.name: blob.size for blob in storage.list(f"{names.output_directory(receipt.input.name)}/")}
    for output in receipt.outputs:
        if output.name not in there:
            yield f"{output.name!r} is not there."
        elif there[output.name] != output.size:
            yield f"{output.name!r} has {there[output.name]:,} bytes instead of {output.size:,}."


def _held(name: str, storage: Storage, names: StorageNames) -> Iterator[str]:
    """Iterate over what keeps a new version of the input from being published."""
    for own in (names.receipt_name(name), names.log_name(name)):
        if (blob := storage.find(own)) is not None and blob.held:
            yield blob.held
    for blob in storage.list(f"{names.output_directory(name)}/"):
        # Results of another input may lie below, and are no business of this one.
        if blob.held and "sha256" in blob.metadata and blob.metadata.get("owner") == owner_of(name):
            yield blob.held


def _dead_letters(name: str, storage: Storage) -> Iterator[DeadLetter]:
    for text in storage.dead_letters():
        records = _json(text)
        for record in records if isinstance(records, list) else [records]:
            if isinstance(record, dict) and _is_event_of(record, name):
                yield DeadLetter(
                    etag=_event_etag(record),
                    outcome=str(record.get("lastDeliveryOutcome")),
                    reason=str(record.get("deadLetterReason")),
                )


def _sighting(text: str, name: str, queue: str) -> Sighting | None:
    """Return a message as a sighting of the file, or None; a poisoned message may have any content."""
    try:
        job = FileJob.decode(text)
    except ContractError:
        pass
    else:
        return Sighting(etag=job.etag, queue=queue) if job.name == name else None
    try:
        text = base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        # It is no event; a damaged job may still show whose it was.
        return Sighting(etag=None, queue=queue) if json.dumps(name) in text or name == text else None
    event = _json(text)
    if isinstance(event, dict) and _is_event_of(event, name):
        return Sighting(etag=_event_etag(event), queue=queue)
    return None


def _event_etag(event: Mapping[str, Any]) -> str | None:
    data = event.get("data")
    etag = data.get("eTag") if isinstance(data, dict) else None
    return etag if isinstance(etag, str) else None


def _is_event_of(event: Mapping[str, Any], name: str) -> bool:
    # The subject is /blobServices/default/containers/CONTAINER/blobs/NAME; one system topic has one account.
    return str(event.get("subject")).partition("/blobs/")[2] == name


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        # Whatever it is, it tells nothing of the file.
        return None


def _receipt(name: str, storage: Storage) -> tuple[Receipt | None, str | None]:
    """Return the receipt of this name, or why what is there cannot be read."""
    try:
        text = storage.read(name)
        return (None, None) if text is None else (Receipt.decode(text), None)
    except (ContractError, OperateError) as error:
        return None, str(error)
