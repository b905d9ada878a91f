"""What looking after files needs of a storage account, as a protocol: the Azure module and the fakes both follow it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline_app.contract import FileJob


class OperateError(RuntimeError):
    """What was asked for cannot be done; the text says why and what to do."""


class OverwrittenError(OperateError):
    """The blob is no longer the version that was looked at."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """One blob: ``etag`` without quotes, ``size`` in bytes, ``modified`` with a time zone, the rest as Azure has it.

    ``held`` says why it can be neither overwritten nor deleted, and what to do, in sentences.
    """

    archive_status: str | None = None
    etag: str
    held: str | None = None
    kind: str = "BlockBlob"
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified: datetime
    name: str
    size: int
    tier: str | None = None


def archive_problem(blob: Blob) -> str | None:
    """Return why an archived blob cannot be read and what to do, in sentences, or None for any other.

    A blob shows as archived until it is out of the archive altogether, which takes hours and changes neither its ETag
    nor its date, so nothing looks at it again by itself.

    Source: https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview
    """
    if blob.tier != "Archive":
        return None
    retry = f"'retry {shlex.quote(blob.name)}' has it processed"
    if blob.archive_status:
        return (
            f"It is on its way out of the archive tier ({blob.archive_status}), which takes up to 15 hours. {retry} "
            "once it shows as in another tier."
        )
    return (
        "It is in the archive tier, from which nothing can be read. Set its tier to hot, cool or cold ('az storage "
        f"blob set-tier'), wait until that is done, which takes up to 15 hours, and {retry}."
    )


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of a listing, and whether more comes after it."""

    blobs: tuple[Blob, ...]
    more: bool


@dataclass(frozen=True, kw_only=True)
class Peeked:
    """The first visible messages of a queue as they are stored, and about how many there are in all.

    A message that somebody works on is invisible: it counts in ``total`` and is never among ``texts``.
    """

    texts: tuple[str, ...]
    total: int


class Storage(Protocol):
    """The application storage account: the files container, the queues, and the dead letters.

    Each method raises OperateError for what the service or the network refuses it.
    """

    def dead_letters(self) -> Iterator[str]:
        """Return the content of the newest dead-letter blobs, a JSON list of events each."""

    def find(self, name: str) -> Blob | None:
        """Return a blob of the files container, or None."""

    def list(self, prefix: str) -> Iterator[Blob]:
        """Iterate over the blobs of the files container whose name starts with ``prefix``, with their metadata."""

    def page(self, prefix: str, start: str) -> Page:
        """Return a page of the blobs whose name starts with ``prefix``, from ``start`` on, with their metadata.

        A service that cannot begin there, as emulators, begins with the first of them.
        """

    def peek(self, queue: str) -> Peeked:
        """Look at a queue without taking anything from it."""

    def put(self, job: FileJob) -> None:
        """Put a job on the queue, without expiry."""

    def read(self, name: str) -> str | None:
        """Return the content of a blob of the files container as text, or None."""

    def renew(self, blob: Blob) -> str:
        """Make a blob of the files container a new version of the same content, which raises its event.

        Returns:
            The new version's ETag without quotes.

        Raises:
            OperateError: something holds it; the text says what, and how to end that.
            OverwrittenError: it is another version by now, or gone; nothing was changed.
        """
