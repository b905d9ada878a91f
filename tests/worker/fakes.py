"""In-memory blob container and queue with the conditions of the real ones, for tests of the worker."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline_app.contract import name_problem
from pipeline_app.worker.scratch import Vanished
from pipeline_app.worker.storage import (
    BlobHeld,
    BlobInfo,
    BlobMissing,
    BlobTooLarge,
    BlobUnreadable,
    ClaimLost,
    Conflict,
    Message,
)


class Outage(Exception):
    """A passing failure of storage."""


class FakeBlobStore:
    """Follows the protocol BlobStore; each write gives a new ETag and is atomic.

    ``leased`` and ``sealed`` have why blobs cannot be changed, by their names; a lease shows when a blob is looked at,
    and a seal only when it is written to. ``unreadable`` has why blobs cannot be downloaded.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, tuple[BlobInfo, bytes]] = {}
        self.leased: dict[str, BlobHeld] = {}
        self.sealed: dict[str, BlobHeld] = {}
        self.unreadable: dict[str, str] = {}
        self._etags = itertools.count(1)
        self._lock = threading.Lock()

    def upload(self, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> str:
        """Write a blob as a user would: without conditions."""
        return self._write(name, data, metadata or {})

    def content(self, name: str) -> bytes:
        return self.blobs[name][1]

    def head(self, name: str) -> BlobInfo | None:
        blob = self.blobs.get(name)
        return replace(blob[0], held=self.leased.get(name)) if blob else None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        yield from [info for name, (info, _) in sorted(self.blobs.items()) if name.startswith(prefix)]

    def download(self, name: str, path: Path, limit: int | None = None) -> BlobInfo:
        if name in self.unreadable:
            raise BlobUnreadable(self.unreadable[name])
        if name not in self.blobs:
            raise BlobMissing(name)
        info, data = self.blobs[name]
        if limit is not None and info.size > limit:
            raise BlobTooLarge(info)
        path.write_bytes(data)
        return replace(info, sha256=hashlib.sha256(data).hexdigest())

    def read(self, name: str, etag: str, offset: int, length: int) -> bytes:
        with self._lock:
            self._check(name, etag, changes=False)
            return self.blobs[name][1][offset : offset + length]

    def put_bytes(self, name: str, data: bytes, *, expected: str | None, metadata: Mapping[str, str]) -> str:
        with self._lock:
            self._check(name, expected)
            return self._write(name, data, metadata)

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        expected: str | None,
        metadata: Mapping[str, str],
        writer: str,
        pieces: Sequence[str] | None = None,
    ) -> str:
        with self._lock:
            self._check(name, expected)
            data = path.read_bytes()
            # What is written here is smaller than a piece.
            if pieces is not None and [*pieces] != [hashlib.sha256(data).hexdigest()][: len(data)]:
                raise Vanished(f"{path} was changed after its run had ended")
            return self._write(name, data, metadata)

    def delete(self, name: str, expected: str) -> None:
        with self._lock:
            self._check(name, expected, deletes=True)
            del self.blobs[name]
            self.sealed.pop(name, None)

    def is_transient(self, error: Exception) -> bool:
        return isinstance(error, Outage)

    def _check(self, name: str, expected: str | None, *, changes: bool = True, deletes: bool = False) -> None:
        there = self.blobs.get(name)
        held = self.leased.get(name) or self.sealed.get(name)
        if changes and there and held and not (deletes and held.deletable):
            raise held
        if (there[0].etag if there else None) != expected:
            raise Conflict(name)

    def _write(self, name: str, data: bytes, metadata: Mapping[str, str]) -> str:
        # As in Azure there is no blob of such a name, and an empty value of metadata may come back as none.
        assert name_problem(name, exists=True) is None, name
        assert all(metadata.values()), metadata
        etag = f"0x{next(self._etags):X}"
        self.blobs[name] = (BlobInfo(etag=etag, metadata=dict(metadata), name=name, size=len(data)), data)
        return etag


@dataclass
class _Entry:
    message: Message
    visible_at: float


class FakeJobQueue:
    """Follows the protocol JobQueue; ``clock`` is moved by the test."""

    def __init__(self) -> None:
        self.buried: list[str] = []
        self.clock = 0.0
        self.entries: list[_Entry] = []
        self.renewals = 0
        self._numbers = itertools.count(1)

    def put(self, content: str, *, dequeue_count: int = 0) -> None:
        """Add a message as the function would."""
        number = next(self._numbers)
        message = Message(content=content, dequeue_count=dequeue_count, id=f"m{number}", pop_receipt="")
        self.entries.append(_Entry(message, self.clock))

    def let_others_first(self, message: Message) -> None:
        """Let a message be claimed after all that are there, as one that was given back for a while would be."""
        entry = self._find(message)
        self.entries.remove(entry)
        self.entries.append(entry)

    def steal(self) -> None:
        """Let another worker claim every message."""
        for entry in self.entries:
            entry.message = replace(entry.message, pop_receipt=f"stolen-{next(self._numbers)}")

    def receive(self, claim_seconds: int) -> Message | None:
        for entry in self.entries:
            if entry.visible_at <= self.clock:
                entry.visible_at = self.clock + claim_seconds
                entry.message = replace(
                    entry.message,
                    dequeue_count=entry.message.dequeue_count + 1,
                    pop_receipt=f"r{next(self._numbers)}",
                )
                return replace(entry.message)
        return None

    def renew(self, message: Message, claim_seconds: int, content: str | None = None) -> None:
        entry = self._find(message)
        self.renewals += 1
        entry.visible_at = self.clock + claim_seconds
        said = entry.message.content if content is None else content
        entry.message = replace(entry.message, content=said, pop_receipt=f"r{next(self._numbers)}")
        message.pop_receipt = entry.message.pop_receipt

    def give_back(self, message: Message, content: str, delay_seconds: float) -> None:
        entry = self._find(message)
        entry.visible_at = self.clock + delay_seconds
        entry.message = replace(entry.message, content=content, pop_receipt=f"r{next(self._numbers)}")

    def delete(self, message: Message) -> None:
        self.entries.remove(self._find(message))

    def bury(self, message: Message) -> None:
        self.buried.append(message.content)
        self.delete(message)

    def is_empty(self) -> bool:
        return not self.entries

    def _find(self, message: Message) -> _Entry:
        for entry in self.entries:
            if (entry.message.id, entry.message.pop_receipt) == (message.id, message.pop_receipt):
                return entry
        raise ClaimLost("PopReceiptMismatch")
