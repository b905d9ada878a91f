"""The account in memory on the simulation's time: the function's storage and the worker's queue of jobs.

What is done for each file goes straight to the queues, since writing and reading XML would take most of the time of a
simulated day; everything else, as what a sweep lists, goes by the function's own requests.
"""

from __future__ import annotations

from typing import Final

from pipeline_app.contract import (
    EVENTS_QUEUE,
    JOBS_POISON_QUEUE,
    JOBS_QUEUE,
    RECEIPT_ETAG_METADATA,
    FileJob,
)
from pipeline_app.worker.storage import Message
from pipeline_function.wakeups import WAKE_UP
from tests.memory.blob import Blob
from tests.memory.function import NAMES, MemoryStorage
from tests.memory.requests import Asked
from tests.simulation.requests import Requests
from tests.simulation.timeline import Timeline

ETAG: Final = "0x1"
CONTENT: Final = b"x"
# A worker reads an input, looks for its receipt, and writes a result, the log and the receipt.
BLOBS_BEFORE: Final = 2
BLOBS_AFTER: Final = 3


class SimulatedStorage(MemoryStorage):
    """The function's storage, and what users and workers do to its blobs."""

    def __init__(self, timeline: Timeline, requests: Requests, *, inputs_stay: bool) -> None:
        super().__init__()
        self._inputs_stay = inputs_stay
        self._requests = requests
        self._timeline = timeline
        self.memory.before = self._note
        self.memory.queues.queues[JOBS_POISON_QUEUE] = []

    def upload(self, name: str) -> None:
        """Let there be an input."""
        self._requests.note("blob writes")
        blob = Blob(ETAG, CONTENT, modified=self._timeline.now)
        self.memory.blobs.set(f"{NAMES.container}/{name}", blob)

    def finish(self, name: str) -> None:
        """Let an input have its receipt."""
        if self._inputs_stay:
            receipt = f"{NAMES.container}/{NAMES.receipt_name(name)}"
            self.memory.upload(receipt, b"{}", {RECEIPT_ETAG_METADATA: ETAG}, at=self._timeline.now)
        else:
            self.memory.blobs.forget(f"{NAMES.container}/{name}")

    def job_count(self) -> int:
        self._requests.note("jobs")
        return self.memory.queues.count(JOBS_QUEUE, self._timeline.now)

    def put(self, job: FileJob) -> None:
        self._requests.note("jobs")
        self.memory.queues.put(JOBS_QUEUE, job.encode(), self._timeline.now)

    def put_wake_up(self, seconds: int) -> None:
        self.put_event(WAKE_UP.decode(), seconds)

    def put_event(self, body: str, seconds: float = 0.0) -> None:
        """Put an event on its queue, or a wake-up that is visible after so many seconds."""
        self._requests.note("events")
        self.memory.queues.put(EVENTS_QUEUE, body, self._timeline.now, hidden=seconds)

    def _note(self, asked: Asked) -> None:
        self.memory.clock = self._timeline.now
        queue = asked.path.partition("/")[0]
        if asked.service == "blob":
            reads = asked.method != "PUT" and asked.parameter("comp") != "list"
            self._requests.note("blob reads" if reads else "blob writes")
        else:
            self._requests.note("events" if queue == EVENTS_QUEUE else "jobs")


class SimulatedQueue:
    """The worker's queue of jobs, as its protocol JobQueue says."""

    def __init__(self, storage: SimulatedStorage, timeline: Timeline, requests: Requests) -> None:
        self._queues = storage.memory.queues
        self._requests = requests
        self._timeline = timeline

    def receive(self, claim_seconds: int) -> Message | None:
        self._requests.note("jobs")
        for found in self._queues.claim(JOBS_QUEUE, self._timeline.now, claim_seconds):
            return Message(
                content=found.content, dequeue_count=found.dequeue_count, id=found.id, pop_receipt=found.receipt
            )
        return None

    def renew(self, message: Message, claim_seconds: int, content: str | None = None) -> None:
        self._update(message, claim_seconds, content)

    def give_back(self, message: Message, content: str, delay_seconds: float) -> None:
        self._update(message, round(delay_seconds), content)

    def delete(self, message: Message) -> None:
        self._requests.note("jobs")
        self._queues.delete(JOBS_QUEUE, message.id, message.pop_receipt, self._timeline.now)

    def bury(self, message: Message) -> None:
        self._requests.note("jobs")
        self._queues.put(JOBS_POISON_QUEUE, message.content, self._timeline.now)
        self.delete(message)

    def is_empty(self) -> bool:
        self._requests.note("jobs")
        return self._queues.count(JOBS_QUEUE, self._timeline.now) == 0

    def _update(self, message: Message, hidden: float, content: str | None) -> None:
        self._requests.note("jobs")
        changed = self._queues.update(JOBS_QUEUE, message.id, message.pop_receipt, self._timeline.now, hidden, content)
        message.pop_receipt = changed.receipt
