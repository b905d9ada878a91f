"""Event Grid on this machine: the events of uploads are delivered to whoever wants them, or dead-lettered."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from infra.local.services.azurite import Access, StorageAccount
from infra.local.services.blob_events import BLOB_CREATED, Event, blob_created, blob_name, subject_of, upload_of
from infra.local.services.event_subscription import Subscription
from infra.local.services.journal import Journal
from infra.local.watching.watcher import Watcher
from pipeline_app.contract import is_folder_marker

DELIVERY_THREADS: Final = 8
FIRST_RETRY_SECONDS: Final = 0.2
MAX_RETRY_SECONDS: Final = 30.0

_CONTAINER: Final = re.compile(r"/blobServices/default/containers/(?P<container>[^/]+)/blobs/(?P<prefix>.*)")


@dataclass
class Delivery:
    """One event on its way to one subscription; one that is ``quiet`` is no stage of a file's way."""

    event: Event
    subscription: Subscription
    attempts: int = 0
    began: float = field(default_factory=time.monotonic)
    number: int = 0
    outcome: str = ""
    quiet: bool = False


class EventGrid:
    """Delivers the uploads of all storage accounts to the declared subscriptions."""

    def __init__(self, watcher: Watcher, journal: Path, on_trouble: Callable[[OSError], None]) -> None:
        """Take the file that remembers until when all events were delivered, and who is told where it cannot."""
        self._closing = threading.Event()
        self._delivered: Callable[[str, str], None] | None = None
        self._journal = Journal(journal, on_trouble)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(DELIVERY_THREADS, thread_name_prefix="event-grid")
        self._sequence = count(1)
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._watcher = watcher

    def close(self) -> None:
        """Stop delivering; what is under way ends first."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def on_delivery(self, listener: Callable[[str, str], None]) -> None:
        """Tell a listener the message id and the blob name of each delivered event."""
        self._delivered = listener

    def subscribe(self, account: StorageAccount, subscription: Subscription) -> None:
        """Let a subscription have the events of an account, also those that an earlier run could not deliver."""
        with self._lock:
            is_first = account.name not in self._subscriptions
            self._subscriptions.setdefault(account.name, []).append(subscription)
        if is_first:
            blobs = account.blobs()
            account.listen(lambda access: self._see(account, blobs, access))
        self._submit(self._replay, account, subscription, self._journal.since())

    def _replay(self, account: StorageAccount, subscription: Subscription, since: datetime | None) -> None:
        place = _CONTAINER.match(subscription.filter.begins_with)
        if since is None or place is None:
            return
        with account.blobs() as service:
            container = service.get_container_client(place["container"])
            for blob in container.list_blobs(name_starts_with=place["prefix"]):
                if blob.last_modified >= since:
                    self._raise_event(account, service, place["container"], blob.name, "PutBlob", self._journal.begin())

    def _see(self, account: StorageAccount, blobs: BlobServiceClient, access: Access) -> None:
        if (upload := upload_of(access)) and not self._closing.is_set():
            self._submit(self._raise_event, account, blobs, *upload, self._journal.begin())

    def _submit(self, work: Callable[..., None], *arguments: object) -> None:
        def report(done: Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()):
                self._watcher.warn("event grid", f"An event was lost: {error!r}")

        try:
            self._pool.submit(work, *arguments).add_done_callback(report)
        except RuntimeError:
            # The pool was shut down in between. What was not delivered, the sweep of the next run finds.
            self._watcher.log("event grid", "An event came while the run is being taken down.")

    def _raise_event(
        self, account: StorageAccount, blobs: BlobServiceClient, container: str, name: str, api: str, number: int
    ) -> None:
        subscriptions = self._subscriptions[account.name]
        subject = subject_of(container, name)
        # What no subscription can want costs no further request.
        probe = {"eventType": BLOB_CREATED, "subject": subject, "data": {"api": api}}
        wanting = [subscription for subscription in subscriptions if subscription.filter.wants(probe)]
        if not wanting:
            self._journal.end(number)
            return
        try:
            blob = blobs.get_blob_client(container, name).get_blob_properties()
        except ResourceNotFoundError:
            self._watcher.log("event grid", f"{name!r} was deleted before its event was raised.")
            self._journal.end(number)
            return
        # Nobody waits for what becomes of a folder's marker.
        quiet = is_folder_marker(name, blob.size, blob.metadata)
        if not quiet:
            self._watcher.stage(name, "uploaded")
        url = account.endpoint("blob") + quote(f"{container}/{name}")
        event = blob_created(subject, url, api, next(self._sequence), blob)
        for subscription in wanting:
            own = {**event, "topic": subscription.topic}
            self._deliver(Delivery(own, subscription, number=self._journal.begin(), quiet=quiet))
        self._journal.end(number)

    def _deliver(self, delivery: Delivery) -> None:
        subscription = delivery.subscription
        account, queue_name = subscription.queue
        text = base64.b64encode(json.dumps(delivery.event).encode()).decode()
        delivery.attempts += 1
        try:
            with account.queues() as queues:
                queue = queues.get_queue_client(queue_name)
                message = queue.send_message(text, time_to_live=subscription.time_to_live)
        except AzureError as error:
            delivery.outcome = type(error).__name__
            self._retry(delivery)
            return
        self._journal.end(delivery.number)
        name = blob_name(delivery.event)
        if delivery.quiet:
            return
        self._watcher.stage(name, "event")
        if self._delivered:
            self._delivered(message.id, name)

    def _retry(self, delivery: Delivery) -> None:
        subscription = delivery.subscription
        minutes = (time.monotonic() - delivery.began) / 60
        if delivery.attempts >= subscription.max_attempts:
            self._dead_letter(delivery, "MaxDeliveryAttemptsExceeded")
        elif minutes > subscription.max_minutes:
            self._dead_letter(delivery, "TimeToLiveExceeded")
        else:
            delay = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (delivery.attempts - 1))
            # Waiting takes no thread of the pool, so one bad queue does not hold up the others.
            timer = threading.Timer(delay, self._submit, (self._deliver, delivery))
            timer.daemon = True
            timer.start()

    def _dead_letter(self, delivery: Delivery, reason: str) -> None:
        subscription = delivery.subscription
        name = blob_name(delivery.event)
        if subscription.dead_letters is None:
            self._watcher.warn("event grid", f"The event of {name!r} is dropped: {reason}, {delivery.outcome}.")
            self._journal.end(delivery.number)
            return
        account, container = subscription.dead_letters
        topic = subscription.topic.rsplit("/", 1)[-1]
        moment = datetime.now(UTC)
        path = f"{topic}/{subscription.name}".upper() + f"/{moment:%Y/%-m/%-d/%-H}/{uuid.uuid4()}.json"
        record = {
            "deadLetterReason": reason,
            "deliveryAttempts": delivery.attempts,
            "lastDeliveryAttemptTime": moment.isoformat(),
            "lastDeliveryOutcome": delivery.outcome,
            "publishTime": delivery.event["eventTime"],
            **delivery.event,
        }
        with account.blobs() as blobs:
            blobs.get_blob_client(container, path).upload_blob(json.dumps([record], indent=2).encode())
        self._journal.end(delivery.number)
        self._watcher.warn("event grid", f"The event of {name!r} is dead-lettered: {reason}, {delivery.outcome}.")
