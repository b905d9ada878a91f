"""The storage account behind the protocols of the handlers, and all services as the settings have them."""

from __future__ import annotations

import base64
import functools
import logging
import os
from collections.abc import Container
from datetime import datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Final, Self

from azure.identity import ManagedIdentityCredential

from pipeline_app.contract import (
    EVENTS_QUEUE,
    JOBS_QUEUE,
    LOG_SECONDS_METADATA,
    LOG_STATE_METADATA,
    LOG_WORKING,
    MAX_PEEKED,
    RECEIPT_ETAG_METADATA,
    STATE_CONTAINER,
    FileJob,
    StorageNames,
    is_folder_marker,
    plain_etag,
)
from pipeline_app.contract.audit import OutputPage
from pipeline_app.contract.log_lines import Log, tell
from pipeline_app.rest import operations
from pipeline_app.rest.endpoint import Endpoint, StorageError, StorageUnreachable, open_account
from pipeline_app.rest.exchange import Answer
from pipeline_app.rest.proxies import keep_near
from pipeline_function.listings import Listings
from pipeline_function.runners import RunnersUnavailable, ensure_running
from pipeline_function.scaler import ScalerWatch
from pipeline_function.services import Backlog, InputBlob, InputPage, Progress, Services, Waking
from pipeline_function.settings import Settings
from pipeline_function.wakeups import WAKE_UP, WakeUps

LOGGER = logging.getLogger(__name__)

# The SDKs log every request with its headers at level INFO, which would drown the function's own lines.
logging.getLogger("azure").setLevel(logging.WARNING)

STATE_PATH: Final = f"{STATE_CONTAINER}/sweep.json"
# After waits of 2, 4 and 8 seconds the event goes back to its queue.
STORAGE_RETRIES: Final = 3

_LOCK = Lock()


class AzureStorage:
    """The application storage account over its REST interface."""

    def __init__(self, account: str, names: StorageNames, blobs: Endpoint, queues: Endpoint) -> None:
        self._account = account
        self._blobs, self._queues = blobs, queues
        self._container = names.container
        self._listings = Listings(blobs, names)
        self._names = names

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Open the account that the settings name."""
        return cls(settings.account, settings.names, *open_account(settings.connection, STORAGE_RETRIES))

    @property
    def account(self) -> str:
        """Return the account's name."""
        return self._account

    def backlog(self) -> Backlog:
        """Look at both queues without taking anything from them."""
        # Events are looked at first: an event that becomes a job in between is then seen twice, not missed.
        oldest = [*self._waiting(EVENTS_QUEUE), *self._waiting(JOBS_QUEUE)]
        events, _ = operations.message_count(self._queues, EVENTS_QUEUE)
        jobs, moment = operations.message_count(self._queues, JOBS_QUEUE)
        return Backlog(events=events, jobs=jobs, moment=moment, oldest=min(oldest, default=None))

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._blobs.close()
        self._queues.close()

    def inputs(
        self, token: str | None, start: str | None = None, since: datetime | None = None, known: Container[str] = ()
    ) -> InputPage:
        """List a page of the blobs below the input path, as the protocol says."""
        return self._listings.inputs(token, start, since, known)

    def is_folder(self, name: str) -> bool:
        """Tell whether a blob of this name is there that has no bytes and stands for a folder."""
        answer = self._find("HEAD", f"{self._container}/{name}")
        if answer is None:
            return False
        return is_folder_marker(name, int(answer.headers["Content-Length"]), answer.metadata())

    def is_version(self, blob: InputBlob) -> bool:
        """Tell whether an input is still there in this version."""
        answer = self._find("HEAD", f"{self._container}/{blob.name}")
        return answer is not None and plain_etag(answer.headers["ETag"]) == blob.etag

    def job_count(self) -> int:
        """Count the jobs, those in progress among them; raises ``RunnersUnavailable``."""
        try:
            return operations.message_count(self._queues, JOBS_QUEUE)[0]
        except (StorageError, StorageUnreachable) as error:
            raise RunnersUnavailable(f"Could not count the jobs ({error}).") from error

    def load_state(self) -> str | None:
        """Return what ``save_state`` was given last, or None."""
        answer = self._find("GET", STATE_PATH)
        return None if answer is None else answer.body.decode()

    def progress(self, blob: InputBlob) -> Progress:
        """Tell how far this version of an input is, by the metadata of its receipt and of its log."""
        if blob.size == 0 and self.is_folder(blob.name):
            return Progress.DONE
        receipt = self._find("HEAD", f"{self._container}/{self._names.receipt_name(blob.name)}")
        if receipt is not None and plain_etag(receipt.metadata().get(RECEIPT_ETAG_METADATA, "")) == blob.etag:
            return Progress.DONE
        log = self._find("HEAD", f"{self._container}/{self._names.log_name(blob.name)}")
        if log is None:
            return Progress.UNKNOWN
        said = log.metadata()
        if (said.get(LOG_STATE_METADATA), said.get(RECEIPT_ETAG_METADATA)) != (LOG_WORKING, blob.etag):
            return Progress.UNKNOWN
        believed = log.age_seconds() < float(said.get(LOG_SECONDS_METADATA, "0"))
        return Progress.WORKING if believed else Progress.UNKNOWN

    def put(self, job: FileJob) -> None:
        """Put a job on the queue, without expiry."""
        operations.put_message(self._queues, JOBS_QUEUE, job.encode())

    def put_wake_up(self, seconds: int) -> None:
        """Put a wake-up on the queue of events, visible after so many seconds."""
        # The host expects what Event Grid writes, which is base64.
        content = base64.b64encode(WAKE_UP).decode()
        operations.put_message(self._queues, EVENTS_QUEUE, content, seconds)

    def receipts(self, start: str) -> OutputPage | None:
        """List the outputs from a name on, or return None where the service cannot begin there."""
        return self._listings.receipts(start)

    def save_state(self, text: str) -> None:
        """Keep a text from one sweep to the next."""
        try:
            self._put_state(text)
        except StorageError as error:
            if error.code != "LeaseIdMissing":
                raise
            # The blob is the sweep's own, and nobody else has a reason to hold it. Whoever may write may break a lease.
            # Source: https://learn.microsoft.com/rest/api/storageservices/lease-blob
            said = f"Breaking somebody's lease on {STATE_PATH!r}, which only the sweep writes."
            tell(LOGGER, Log(text=said), logging.WARNING)
            headers = {"x-ms-lease-action": "break", "x-ms-lease-break-period": "0"}
            self._blobs.call("PUT", STATE_PATH, {"comp": "lease"}, headers)
            self._put_state(text)

    def waiting_jobs(self) -> tuple[int, datetime] | None:
        """Return how many jobs there are and when the first that waits was put; None where none waits.

        Raises:
            RunnersUnavailable: the queue cannot be looked at now.
        """
        try:
            if not (moments := self._waiting(JOBS_QUEUE)):
                return None
            return operations.message_count(self._queues, JOBS_QUEUE)[0], min(moments)
        except (StorageError, StorageUnreachable) as error:
            raise RunnersUnavailable(f"Could not look at the jobs ({error}).") from error

    def _put_state(self, text: str) -> None:
        self._blobs.call("PUT", STATE_PATH, headers={"x-ms-blob-type": "BlockBlob"}, body=text.encode())

    def _find(self, method: str, path: str) -> Answer | None:
        """Ask for a blob; return the answer, or None where there is no such blob."""
        try:
            return self._blobs.call(method, path)
        except StorageError as error:
            if error.is_missing_blob:
                return None
            raise

    def _waiting(self, queue: str) -> list[datetime]:
        """Return when the messages at the front of a queue were put there."""
        query = {"numofmessages": str(MAX_PEEKED), "peekonly": "true"}
        record = operations.parsed(self._queues.call("GET", f"{queue}/messages", query))
        return [parsedate_to_datetime(each.text or "") for each in record.iterfind("QueueMessage/InsertionTime")]


def services() -> Services:
    """Return the services of this process, made at the first call: clients are safe to share between threads."""
    with _LOCK:
        return _services()


@functools.cache
def _services() -> Services:
    keep_near()
    settings = Settings.from_environment(os.environ)
    storage = AzureStorage.connect(settings)
    return Services(
        grace=settings.grace,
        names=settings.names,
        pause=settings.pause,
        storage=storage,
        wake_ups=_waking(settings, storage),
    )


def _waking(settings: Settings, storage: AzureStorage) -> Waking:
    """Return what sees to the jobs: this function with container groups, Azure with a Container Apps job."""
    credential = ManagedIdentityCredential(client_id=settings.client_id)
    # Each has a client of its own for Resource Manager, which takes long to import: only the one that is used does.
    if settings.job_id is not None:
        from pipeline_function.azure_executions import AzureExecutions

        executions = AzureExecutions(settings.arm_endpoint, settings.job_id, credential)
        return ScalerWatch(settings.job_id, executions, storage.waiting_jobs)
    from pipeline_function.azure_groups import AzureGroups

    groups = AzureGroups(settings.arm_endpoint, credential)
    return WakeUps(storage.put_wake_up, lambda: ensure_running(groups, settings.group_ids, storage.job_count))
