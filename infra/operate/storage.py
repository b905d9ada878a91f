"""What looking after files needs of a storage account, as a protocol: the Azure module and the fakes both follow it."""

from __future__ import annotations

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
    """One blob: ``etag`` without quotes, ``size`` in bytes, ``modified`` with a time zone, the rest as Azure has it."""

    archive_status: str | None = None
    etag: str
    kind: str = "BlockBlob"
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified: datetime
    name: str
    size: int
    tier: str | None = None


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
            OverwrittenError: it is another version by now, or gone; nothing was changed.
        """
