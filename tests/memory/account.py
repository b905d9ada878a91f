"""An account in memory: both services, one clock, and what a test does to them behind the service's back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Final

from tests.memory.blob import Blob
from tests.memory.blobs import Blobs
from tests.memory.queues import Queued, Queues
from tests.memory.requests import Asked, Refused, Reply
from tests.memory.rules import check_blob_name

EPOCH: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)


@lru_cache(maxsize=10_000)
def dated(moment: float) -> str:
    """Return a moment, in seconds since the epoch of accounts in memory, as HTTP has it: in whole seconds."""
    return format_datetime(EPOCH + timedelta(seconds=int(moment)), usegmt=True)


class Account:
    """A storage account whose time stands still unless a test moves ``clock``, in seconds.

    ``before`` is called with each request before it is carried out, and may raise what a network would; ``after`` is
    called when it was, and may be where a test waits for a moment that it names.
    """

    def __init__(self, *containers: str, queues: tuple[str, ...] = ()) -> None:
        self.after: Callable[[Asked], None] = lambda asked: None
        self.before: Callable[[Asked], None] = lambda asked: None
        self.blobs = Blobs()
        self.blobs.containers.update(containers)
        self.clock = 0.0
        self.lock = threading.RLock()
        self.queues = Queues()
        for queue in queues:
            self.queues.queues[queue] = []

    def answer(self, asked: Asked) -> Reply:
        """Carry out a request, or refuse it as the service would."""
        self.before(asked)
        with self.lock:
            try:
                service = self.blobs if asked.service == "blob" else self.queues
                reply = service.answer(asked, self.clock, dated)
            except Refused as refusal:
                reply = refusal.reply(asked.method)
            self.after(asked)
        return reply

    def upload(
        self,
        path: str,
        data: bytes,
        metadata: Mapping[str, str] | None = None,
        *,
        at: float | None = None,
        **state: Any,
    ) -> Blob:
        """Write a blob as a user would, without conditions; ``at`` is when, and ``state`` is of ``Blob``."""
        check_blob_name(path.partition("/")[2])
        with self.lock:
            said = tuple(sorted((metadata or {}).items()))
            return self.blobs.write(path, Blob("", data, said, self.clock if at is None else at, **state))

    def change(self, path: str, **state: Any) -> None:
        """Change what there is of a blob without writing it, as a lease or a tier that is set does."""
        with self.lock:
            self.blobs.blobs[path] = self.blobs.blobs[path]._replace(**state)

    def messages(self, queue: str) -> list[Queued]:
        """Return the messages of a queue, whoever has them."""
        return self.queues.queues[queue]

    def below(self, prefix: str) -> Iterator[tuple[str, Blob]]:
        """Iterate over the blobs whose paths begin so, in order, with their paths less the container."""
        with self.lock:
            found = sorted((path, blob) for path, blob in self.blobs.blobs.items() if path.startswith(prefix))
        for path, blob in found:
            yield path.partition("/")[2], blob
