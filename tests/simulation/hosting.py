"""The Function App: what the host does with the queue of events, and the timer of the sweep."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from pipeline_app.contract import EVENTS_QUEUE
from pipeline_function import sweeping
from pipeline_function.handlers import dispatch
from pipeline_function.services import Services
from tests.memory.function import ACCOUNT, NAMES
from tests.simulation.plan import HOST
from tests.simulation.requests import Requests
from tests.simulation.storage import CONTENT, ETAG, SimulatedStorage
from tests.simulation.timeline import Timeline

# What an event costs the function: a request to put the job, one to delete the event, and the host's own work.
DISPATCH_SECONDS: Final = 0.05
FIRST_POLL_SECONDS: Final = 0.1
SWEEP_SECONDS: Final = 60.0

_QUEUES: Final[Mapping[str, Any]] = HOST["extensions"]["queues"]
_LONGEST_POLL: Final = sum(
    float(part) * unit for part, unit in zip(_QUEUES["maxPollingInterval"].split(":"), (3600, 60, 1), strict=True)
)
_VISIBILITY: Final = 30.0
_ACCOUNT: Final = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
_SUBJECT: Final = f"/blobServices/default/containers/{NAMES.container}/blobs/"

P = TypeVar("P")


class Host:
    """One instance: it takes events in batches, and looks more and more seldom at a queue that has none.

    ``runs`` counts the calls of the function, and ``seconds`` those of the clock that had one.
    """

    def __init__(self, timeline: Timeline, storage: SimulatedStorage, requests: Requests, services: Services) -> None:
        self.runs = 0
        self.seconds = 0
        self._last = -1
        self._pause = FIRST_POLL_SECONDS
        self._queues = storage.memory.queues
        self._requests = requests
        self._services = services
        self._timeline = timeline

    def start(self) -> None:
        """Let the host and its timer begin."""
        self._poll()
        self._timeline.after(SWEEP_SECONDS, self._sweep)

    def _poll(self) -> None:
        self._requests.note("events")
        batch = self._queues.claim(EVENTS_QUEUE, self._timeline.now, _VISIBILITY, _QUEUES["batchSize"])
        if not batch:
            self._timeline.after(self._pause, self._poll)
            self._pause = min(2 * self._pause, _LONGEST_POLL)
            return
        self._pause = FIRST_POLL_SECONDS

        def done() -> None:
            for message in batch:
                self._count()
                dispatch(message.content.encode(), self._services)
                self._requests.note("events")
                self._queues.delete(EVENTS_QUEUE, message.id, message.receipt, self._timeline.now)
            self._poll()

        self._timeline.after(DISPATCH_SECONDS, done)

    def _sweep(self) -> None:
        self._count()
        with _at_once():
            sweeping.sweep(self._services)
        self._timeline.after(SWEEP_SECONDS, self._sweep)

    def _count(self) -> None:
        self.runs += 1
        if self._last != int(self._timeline.now):
            self._last = int(self._timeline.now)
            self.seconds += 1


def event(number: int, name: str) -> str:
    """Return what Event Grid says of an upload."""
    data = {
        "api": "PutBlob",
        "blobType": "BlockBlob",
        "contentLength": len(CONTENT),
        "eTag": ETAG,
        "url": f"https://{ACCOUNT}.blob.core.windows.net/{NAMES.container}/{name}",
    }
    return json.dumps(
        {
            "data": data,
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": f"event-{number}",
            "subject": f"{_SUBJECT}{name}",
            "topic": _ACCOUNT,
        }
    )


class _AtOnce(Executor):
    """Does what it is given before it returns, so that no thread is there whose turn would be chance."""

    def __init__(self, max_workers: int) -> None:
        self.max_workers = max_workers

    def submit(self, fn: Callable[..., P], /, *args: Any, **kwargs: Any) -> Future[P]:
        future: Future[P] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _at_once() -> Iterator[None]:
    """Let the sweep have no threads."""
    vars(sweeping)["ThreadPoolExecutor"] = _AtOnce
    try:
        yield
    finally:
        vars(sweeping)["ThreadPoolExecutor"] = concurrent.futures.ThreadPoolExecutor
