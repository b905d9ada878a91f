"""Blobs and messages as values: each request gives another storage and an answer, so that any order can be tried.

Conditions are those of the service, as ``tests/worker/fakes.py`` has them. An ETag says how often its blob was written,
so that two ways to the same state are seen to be the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pipeline_app.worker.storage import BlobInfo, BlobMissing, ClaimLost, Conflict

Metadata = tuple[tuple[str, str], ...]

# Instead of an ETag: no condition, as only a mistake would have it.
ANYTHING: Final = "*"

# Whoever wrote a mark may be gone, so it is believed or not; here a mark is as old as can be unless it says otherwise.
OLD_SECONDS: Final = 1e9


class Call(NamedTuple):
    """A request: what is asked, of which blob or message, and what goes with it."""

    method: str
    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the request may change anything."""
        return self.method not in ("download", "head", "list", "read")


class Answer(NamedTuple):
    """What a request returns, or the exception that it raises."""

    value: Any = None
    error: tuple[type[Exception], str] | None = None

    def give(self) -> Any:
        """Return the value, or raise."""
        if self.error is not None:
            raise self.error[0](self.error[1])
        return self.value


class Blob(NamedTuple):
    """A blob's state."""

    etag: str
    data: bytes
    metadata: Metadata = ()


class Queued(NamedTuple):
    """A message; ``claimed`` while whoever received it last has it."""

    id: str
    content: str
    dequeue_count: int = 0
    pop: int = 0
    claimed: bool = False


@dataclass(frozen=True)
class Storage:
    """All blobs by name, how often each was written, and the messages of the queue."""

    blobs: frozenset[tuple[str, Blob]] = frozenset()
    writes: frozenset[tuple[str, int]] = frozenset()
    messages: tuple[Queued, ...] = ()
    buried: bool = False

    def blob(self, name: str) -> Blob | None:
        """Return a blob, or None."""
        return next((blob for key, blob in self.blobs if key == name), None)

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin so, in order."""
        return sorted(name for name, _ in self.blobs if name.startswith(prefix))

    def put(self, name: str, data: bytes, metadata: Metadata = ()) -> tuple[Storage, str]:
        """Write a blob without conditions; return what there is then, and its ETag."""
        count = next((number for key, number in self.writes if key == name), 0) + 1
        etag = f"0x{count:X}"
        blobs = frozenset(each for each in self.blobs if each[0] != name) | {(name, Blob(etag, data, metadata))}
        writes = frozenset(each for each in self.writes if each[0] != name) | {(name, count)}
        return replace(self, blobs=blobs, writes=writes), etag

    def with_message(self, message: Queued) -> Storage:
        """Return it with a message in the place of that of the same id, or behind all others."""
        if all(each.id != message.id for each in self.messages):
            return replace(self, messages=(*self.messages, message))
        return replace(self, messages=tuple(message if each.id == message.id else each for each in self.messages))

    def without_message(self, message_id: str) -> Storage:
        """Return it without a message."""
        return replace(self, messages=tuple(each for each in self.messages if each.id != message_id))

    def carry_out(self, call: Call) -> tuple[Storage, Answer]:
        """Carry out a request; return what there is then, and the answer."""
        if call.method in ("bury", "drop", "give back", "renew"):
            return self._of_queue(call)
        blob = self.blob(call.name)
        if call.method == "head":
            return self, Answer(None if blob is None else _info(call.name, blob))
        if call.method == "list":
            found = [(name, self.blob(name)) for name in self.names(call.name)]
            return self, Answer(tuple(_info(name, each) for name, each in found if each is not None))
        if call.method == "download":
            if blob is None:
                return self, Answer(error=(BlobMissing, call.name))
            return self, Answer((replace(_info(call.name, blob), sha256=sha256(blob.data)), blob.data))
        expected = call.arguments[0]
        if expected not in (ANYTHING, blob.etag if blob else None):
            return self, Answer(error=(Conflict, call.name))
        if call.method == "read":
            assert blob is not None
            offset, length = call.arguments[1:]
            return self, Answer(blob.data[offset : offset + length])
        if call.method == "delete":
            return replace(self, blobs=frozenset(each for each in self.blobs if each[0] != call.name)), Answer()
        assert call.method == "put", call
        after, etag = self.put(call.name, *call.arguments[1:])
        return after, Answer(etag)

    def _of_queue(self, call: Call) -> tuple[Storage, Answer]:
        pop, content = call.arguments
        message = next((each for each in self.messages if each.id == call.name and each.pop == pop), None)
        if message is None:
            return self, Answer(error=(ClaimLost, "PopReceiptMismatch"))
        if call.method in ("bury", "drop"):
            return replace(self.without_message(message.id), buried=self.buried or call.method == "bury"), Answer()
        said = message.content if content is None else content
        claimed = call.method == "renew"
        changed = message._replace(claimed=claimed, content=said, pop=message.pop + 1)
        return self.with_message(changed), Answer(changed.pop)


@lru_cache(maxsize=10_000)
def sha256(data: bytes) -> str:
    """Return the hash in hex."""
    return hashlib.sha256(data).hexdigest()


def _info(name: str, blob: Blob) -> BlobInfo:
    return BlobInfo(
        age_seconds=OLD_SECONDS, etag=blob.etag, metadata=dict(blob.metadata), name=name, size=len(blob.data)
    )
