"""The worker's blobs and jobs over an account in memory: its own code down to each request."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from pipeline_app.rest.endpoint import StorageUnreachable
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_queue import AzureJobQueue
from pipeline_app.worker.storage import Message
from tests.memory.account import Account
from tests.memory.blob import Blob
from tests.memory.endpoint import MemoryEndpoint
from tests.memory.queues import Queued
from tests.memory.requests import Asked

CONTAINER = "c"
# Longer than any claim of these tests.
LONG_SECONDS = 61.0


class Outage(StorageUnreachable):
    """No answer comes from the service."""


class MemoryStore(AzureBlobStore):
    """The worker's blobs, and what a test or a user does to them."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account(CONTAINER)
        super().__init__(MemoryEndpoint(self.account.answer, "blob"), CONTAINER)

    @property
    def blobs(self) -> dict[str, Blob]:
        """What is there, by its name, in order."""
        return dict(self.account.below(f"{CONTAINER}/"))

    def change(self, name: str, **state: object) -> None:
        """Change the state of a blob that is there, as ``Blob`` says, without writing it."""
        self.account.change(f"{CONTAINER}/{name}", **state)

    def content(self, name: str) -> bytes:
        """Return what a blob has."""
        return self.blobs[name].data

    def remove(self, name: str) -> None:
        """Delete a blob as a user would."""
        self.account.blobs.forget(f"{CONTAINER}/{name}")

    def upload(self, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> str:
        """Write a blob as a user would, and return its ETag."""
        return self.account.upload(f"{CONTAINER}/{name}", data, metadata).etag


class MemoryQueue(AzureJobQueue):
    """The worker's jobs, and what a test or another worker does to them."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account(queues=(JOBS_QUEUE, JOBS_POISON_QUEUE))
        self.renewals = 0
        super().__init__(MemoryEndpoint(self.account.answer, "queue"))

    @property
    def clock(self) -> float:
        """The account's time, which a test moves."""
        return self.account.clock

    @clock.setter
    def clock(self, moment: float) -> None:
        self.account.clock = moment

    @property
    def buried(self) -> list[str]:
        """What is in the poison queue."""
        return [message.content for message in self.account.messages(JOBS_POISON_QUEUE)]

    @property
    def messages(self) -> list[Queued]:
        """All jobs, whoever has them."""
        return self.account.messages(JOBS_QUEUE)

    def change(self, place: int, **state: object) -> None:
        """Change what there is of a message, as ``Queued`` says."""
        with self.account.lock:
            self.messages[place] = self.messages[place]._replace(**state)  # type: ignore[arg-type]

    def pass_until_all_are_there(self) -> None:
        """Let time pass until no job is hidden any more."""
        self.account.clock = max([self.account.clock, *(each.visible_at for each in self.messages)])

    def expire_once_left(self, *contents: str) -> None:
        """Let all claims run out as soon as these are the only jobs, and a worker has looked once more."""

        def look(asked: Asked) -> None:
            if [each.content for each in self.messages] == [*contents] and asked.method == "GET":
                self.account.after = lambda asked: None
                self.account.clock += LONG_SECONDS

        self.account.after = look

    def put(self, content: str, *, claims: int = 0) -> None:
        """Add a message as the function would, that was claimed so often."""
        with self.account.lock:
            self.account.queues.put(JOBS_QUEUE, content, self.account.clock, claims=claims)

    def let_others_first(self, message: Message) -> None:
        """Let a message be claimed after all that are there, as one that was given back for a while would be."""
        with self.account.lock:
            self.messages.sort(key=lambda each: each.id == message.id)

    def renew(self, message: Message, claim_seconds: int, content: str | None = None) -> None:
        self.renewals += 1
        super().renew(message, claim_seconds, content)

    def steal(self) -> None:
        """Let another worker claim every message."""
        with self.account.lock:
            self.messages[:] = [each._replace(pop=each.pop + 1) for each in self.messages]
