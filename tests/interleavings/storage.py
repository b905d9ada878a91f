"""An account in memory as a value: each request gives another one and an answer, so that any order can be tried.

Time is no part of it: a message is claimed or not, and a claim may expire at any moment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from tests.memory.account import Account
from tests.memory.blob import Blob
from tests.memory.queues import Queued
from tests.memory.requests import Asked, Reply

CONTAINER: Final = "c"
# Whoever wrote a mark may be gone, so it is believed or not; here a mark is as old as can be.
_NOW: Final = 1e9
_CLAIMED: Final = _NOW + 100


def changes(asked: Asked) -> bool:
    """Tell whether a request may change anything."""
    return asked.method not in ("GET", "HEAD")


def is_claimed(message: Queued) -> bool:
    """Tell whether whoever received a message last has it."""
    return message.visible_at == _CLAIMED


def claimed(message: Queued) -> Queued:
    """Return a message as whoever receives it now has it."""
    return message._replace(dequeue_count=message.dequeue_count + 1, pop=message.pop + 1, visible_at=_CLAIMED)


@dataclass(frozen=True)
class Storage:
    """All blobs by their paths, how often each was written, and the messages of the queue."""

    blobs: frozenset[tuple[str, Blob]] = frozenset()
    writes: frozenset[tuple[str, int]] = frozenset()
    messages: tuple[Queued, ...] = ()
    buried: bool = False

    def __hash__(self) -> int:
        # It is looked up many times as often as it is made.
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.blobs, self.writes, self.messages, self.buried))

    def blob(self, name: str) -> Blob | None:
        """Return a blob, or None."""
        return next((blob for path, blob in self.blobs if path == f"{CONTAINER}/{name}"), None)

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin so, in order."""
        names = (path.partition("/")[2] for path, _ in self.blobs)
        return sorted(name for name in names if name.startswith(prefix))

    def put(self, name: str, data: bytes) -> tuple[Storage, str]:
        """Write a blob as a user would; return what there is then, and its ETag."""
        account = self._account()
        etag = account.upload(f"{CONTAINER}/{name}", data).etag
        return self._after(account), etag

    def with_message(self, message: Queued) -> Storage:
        """Return it with a message in the place of that of the same id, or behind all others."""
        if all(each.id != message.id for each in self.messages):
            return replace(self, messages=(*self.messages, message))
        return replace(self, messages=tuple(message if each.id == message.id else each for each in self.messages))

    def carry_out(self, asked: Asked) -> tuple[Storage, Reply]:
        """Carry out a request; return what there is then, and the answer."""
        account = self._account()
        reply = account.answer(asked)
        return (self._after(account) if changes(asked) else self), reply

    def _account(self) -> Account:
        account = Account(CONTAINER, queues=(JOBS_QUEUE, JOBS_POISON_QUEUE))
        account.blobs.blobs.update(self.blobs)
        account.blobs.writes.update(self.writes)
        account.queues.queues[JOBS_QUEUE].extend(self.messages)
        account.clock = _NOW
        return account

    def _after(self, account: Account) -> Storage:
        blobs = frozenset((path, blob._replace(modified=0.0)) for path, blob in account.blobs.blobs.items())
        messages = tuple(
            each._replace(visible_at=_CLAIMED if each.visible_at > _NOW else 0.0)
            for each in account.messages(JOBS_QUEUE)
        )
        buried = self.buried or bool(account.messages(JOBS_POISON_QUEUE))
        return Storage(blobs, frozenset(account.blobs.writes.items()), messages, buried)


@lru_cache(maxsize=10_000)
def sha256(data: bytes) -> str:
    """Return the hash in hex."""
    return hashlib.sha256(data).hexdigest()
