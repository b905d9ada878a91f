"""Storage accounts of the benchmark's own: what is in them, and what the storage saw of the requests."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from xml.sax.saxutils import escape

from infra.local.services.azurite import Access
from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, StorageNames, now, plain_etag
from tests.accounts import running_account
from tests.bench.http_calls import Account, Connection

CONTAINER: Final = "pipeline-files"
NAMES: Final = StorageNames(container=CONTAINER, input_path="incoming", output_path="outgoing")
PARALLEL: Final = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as Azurite's access log told of it; ``moment`` is by this process's monotonic clock, in seconds."""

    access: Access
    moment: float

    @property
    def claims(self) -> bool:
        """Whether it asked for a message of the queue of jobs, which may have been empty."""
        return self.access.method == "GET" and self.access.path.endswith(f"/{JOBS_QUEUE}/messages")

    @property
    def deletes(self) -> bool:
        """Whether it took a message off the queue of jobs for good."""
        access = self.access
        return access.method == "DELETE" and f"/{JOBS_QUEUE}/messages/" in access.path and access.status == 204


class Storage:
    """A storage account on an Azurite of its own, and its access log."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._lock = threading.Lock()
        self._seen: list[Seen] = []

    def note(self, access: Access) -> None:
        """Take note of an answered request."""
        seen = Seen(access=access, moment=time.monotonic())
        with self._lock:
            self._seen.append(seen)

    def forget(self) -> None:
        """Forget the requests that were seen."""
        # The log of what was answered just now is still on its way.
        time.sleep(0.05)
        with self._lock:
            self._seen.clear()

    def seen(self) -> list[Seen]:
        """Return the requests since the last ``forget``, in their order."""
        time.sleep(0.05)
        with self._lock:
            return list(self._seen)

    def check_receipts(self, names: Iterable[str]) -> None:
        """See that each input has a receipt of its first attempt, which succeeded.

        Raises:
            RuntimeError: one has another.
        """
        connection = self.blobs()
        for name in names:
            answer = connection.must("GET", f"{CONTAINER}/{NAMES.receipt_name(name)}")
            receipt = Receipt.decode(answer.body.decode())
            if receipt.attempt != 1 or receipt.status != "succeeded":
                raise RuntimeError(f"The receipt of {name!r} is of attempt {receipt.attempt} and {receipt.status}.")
        connection.close()

    def wait_for(self, condition: Callable[[list[Seen]], bool], seconds: float) -> None:
        """Wait until the requests that were seen fulfil a condition."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                seen = list(self._seen)
            if condition(seen):
                return
            if time.monotonic() > end:
                raise TimeoutError(f"The storage did not see what it should within {seconds:.0f} s.")
            time.sleep(0.02)

    def blobs(self) -> Connection:
        """Open a connection to the Blob service."""
        return Connection(self.account, self.account.blob)

    def queues(self) -> Connection:
        """Open a connection to the Queue service."""
        return Connection(self.account, self.account.queue)

    def begin(self) -> None:
        """Make container and queues, empty; call it before each round."""
        blobs, queues = self.blobs(), self.queues()
        blobs.call("DELETE", CONTAINER, {"restype": "container"})
        while (status := blobs.call("PUT", CONTAINER, {"restype": "container"}).status) != 201:
            if status != 409:
                raise RuntimeError(f"The container {CONTAINER} cannot be made: status {status}.")
            time.sleep(0.05)
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.call("PUT", name)
            queues.must("DELETE", f"{name}/messages")
        blobs.close()
        queues.close()

    def put_inputs(self, names: Iterable[str], content: bytes) -> list[FileJob]:
        """Upload inputs over several connections; return their jobs in the same order."""
        headers = {"x-ms-blob-type": "BlockBlob"}

        def put(connection: Connection, name: str) -> FileJob:
            answer = connection.must("PUT", f"{CONTAINER}/{name}", headers=headers, body=content)
            etag = plain_etag(answer.headers["etag"])
            return FileJob(etag=etag, event_id="bench", name=name, queued_at=now(), size=len(content))

        return self.each(names, put)

    def put_jobs(self, jobs: Iterable[FileJob]) -> None:
        """Put jobs on the queue, in their order."""
        connection = self.queues()
        for job in jobs:
            body = f"<QueueMessage><MessageText>{escape(job.encode())}</MessageText></QueueMessage>".encode()
            connection.must("POST", f"{JOBS_QUEUE}/messages", {"messagettl": "-1"}, body=body)
        connection.close()

    def each(self, items: Iterable[Item], call: Callable[[Connection, Item], Result]) -> list[Result]:
        """Do something for each item over several connections at once; return what came of it, in their order."""
        connections = [self.blobs() for _ in range(PARALLEL)]
        free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        for connection in connections:
            free.put(connection)

        def one(item: Item) -> Result:
            connection = free.get()
            try:
                return call(connection, item)
            finally:
                free.put(connection)

        try:
            with ThreadPoolExecutor(PARALLEL) as pool:
                return list(pool.map(one, items))
        finally:
            for connection in connections:
                connection.close()


@contextmanager
def running_storage(folder: Path) -> Iterator[Storage]:
    """Serve a storage account on an Azurite of its own, with its data below the folder, while the context lasts.

    What an account of before left in the folder is there again, at other endpoints and with another key.
    """
    folder.mkdir(exist_ok=True, parents=True)
    with running_account("bench", folder) as served:
        storage = Storage(Account.parse(served.connection_string))
        served.listen(storage.note)
        yield storage


def input_names(count: int) -> list[str]:
    """Return names of inputs, all of one length."""
    return [f"{NAMES.input_path}/file-{number:06d}.bin" for number in range(count)]
