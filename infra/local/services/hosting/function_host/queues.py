"""Queue triggers."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import azure.functions as func
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter
from azure.storage.queue import QueueClient, QueueServiceClient
from azure.storage.queue import QueueMessage as StoredMessage

from .telling import resolve, tell

# The message comes back this long after a host died that was working on it; while it works, the time is renewed.
CLAIM_SECONDS: Final = 30
# How often an empty queue is looked at, in seconds, by how long ago the last message came. A run that nobody uses costs
# hardly anything so, and never waits for as long as the maxPollingInterval of host.json would let Azure's host wait.
POLLS: Final = ((10.0, 0.05), (60.0, 0.25), (math.inf, 1.0))
RENEW_SECONDS: Final = 5.0
TROUBLE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """The ``extensions.queues`` section of host.json, with the host's own defaults."""

    batch_size: int
    base64: bool
    max_dequeue_count: int
    new_batch_threshold: int
    visibility_timeout: timedelta

    @classmethod
    def read(cls, host: dict[str, Any]) -> QueueOptions:
        """Read the parsed host.json."""
        queues = host.get("extensions", {}).get("queues", {})
        hours, minutes, seconds = map(float, queues.get("visibilityTimeout", "00:00:00").split(":"))
        batch_size = int(queues.get("batchSize", 16))
        return cls(
            batch_size=batch_size,
            base64=queues.get("messageEncoding", "base64").lower() == "base64",
            max_dequeue_count=int(queues.get("maxDequeueCount", 5)),
            new_batch_threshold=int(queues.get("newBatchThreshold", batch_size // 2)),
            visibility_timeout=timedelta(hours=hours, minutes=minutes, seconds=seconds),
        )


class Claim:
    """A message that a function works on; it stays invisible for others until it is deleted or given back."""

    def __init__(self, queue: QueueClient, message: StoredMessage) -> None:
        self.message = message
        self._queue = queue
        self._receipt: str | None = message.pop_receipt
        self._lock = threading.Lock()

    def delete(self) -> None:
        """Take the message off the queue."""
        with self._lock:
            self._queue.delete_message(self.message.id, self._receipt)
            self._receipt = None

    def hide(self, seconds: int, *, last: bool = False) -> None:
        """Let the message be invisible for so many seconds from now; ``last`` gives it back for good."""
        with self._lock:
            if self._receipt is not None:
                updated = self._queue.update_message(self.message.id, self._receipt, visibility_timeout=seconds)
                self._receipt = None if last else updated.pop_receipt


def argument(message: StoredMessage, body: bytes) -> func.QueueMessage:
    """Return what a function gets of a message: text and metadata, in the form in which Azure's host sends them.

    Source: https://github.com/Azure/azure-functions-host, ``GrpcMessageConversionExtensions.cs``. The host makes a text
    of the body, in which U+FFFD stands for what is no UTF-8.
    """
    text = body.decode("utf-8", errors="replace")
    metadata = {
        "DequeueCount": Datum(json.dumps(message.dequeue_count), "json"),
        "ExpirationTime": _moment(message.expires_on),
        "Id": Datum(message.id, "string"),
        "InsertionTime": _moment(message.inserted_on),
        "NextVisibleTime": _moment(message.next_visible_on),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        "QueueTrigger": Datum(text, "string"),
    }
    decoded: func.QueueMessage = QueueMessageInConverter.decode(Datum(text, "string"), trigger_metadata=metadata)
    return decoded


def _moment(moment: datetime | None) -> Datum:
    return Datum(json.dumps(moment and moment.isoformat()), "json")


class QueueTrigger:
    """Feeds one function from one queue; ``calls`` runs them."""

    def __init__(
        self, function: func.Function, options: QueueOptions, stop: threading.Event, calls: ThreadPoolExecutor
    ) -> None:
        (binding,) = (each.get_dict_repr() for each in function.get_bindings())
        service = QueueServiceClient.from_connection_string(os.environ[binding["connection"]])
        self._call: Callable[..., object] = function.get_user_function()
        self._calls = calls
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()
        self._name = str(function.get_function_name())
        self._options = options
        self._parameter = binding["name"]
        queue_name = resolve(binding["queueName"])
        self._poison = service.get_queue_client(f"{queue_name}-poison")
        self._queue = service.get_queue_client(queue_name)
        self._stop = stop

    def serve(self) -> None:
        """Take messages until the host is to stop."""
        renewer = threading.Thread(target=self._renew, name=f"{self._name} renewer", daemon=True)
        renewer.start()
        last = time.monotonic()
        while not self._stop.is_set():
            try:
                messages = self._receive()
            except AzureError as error:
                _log.warning("Queue %s cannot be read: %s", self._queue.queue_name, error.message.splitlines()[0])
                self._stop.wait(TROUBLE_SECONDS)
                continue
            for message in messages:
                claim = Claim(self._queue, message)
                with self._lock:
                    self._claims.add(claim)
                self._calls.submit(self._handle, claim)
            if messages:
                last = time.monotonic()
            self._stop.wait(poll_seconds(time.monotonic() - last))

    def _receive(self) -> list[StoredMessage]:
        with self._lock:
            if len(self._claims) > self._options.new_batch_threshold:
                return []
        size = self._options.batch_size
        pages = self._queue.receive_messages(
            max_messages=size, messages_per_page=size, visibility_timeout=CLAIM_SECONDS
        )
        return list(pages)

    def _handle(self, claim: Claim) -> None:
        start = time.monotonic()
        try:
            outcome = self._run(claim)
        except AzureError as error:
            # The storage is away; the message becomes visible again by itself.
            outcome = "lost"
            _log.warning("%s: the message's state is lost: %s", self._name, error.message.splitlines()[0])
        finally:
            with self._lock:
                self._claims.discard(claim)
        tell(function=self._name, id=claim.message.id, outcome=outcome, seconds=round(time.monotonic() - start, 3))

    def _run(self, claim: Claim) -> str:
        message = claim.message
        count = message.dequeue_count or 1
        if count > self._options.max_dequeue_count:
            return self._give_up(claim, f"it was taken {count} times")
        try:
            body = (
                base64.b64decode(message.content, validate=True) if self._options.base64 else message.content.encode()
            )
        except (binascii.Error, ValueError):
            return self._give_up(claim, "it is not base64, which host.json asks for")
        try:
            self._call(**{self._parameter: argument(message, body)})
        except Exception:
            _log.exception("%s failed, attempt %d of %d.", self._name, count, self._options.max_dequeue_count)
            if count >= self._options.max_dequeue_count:
                return self._give_up(claim, f"it failed {count} times")
            claim.hide(int(self._options.visibility_timeout.total_seconds()), last=True)
            return "failed"
        claim.delete()
        return "done"

    def _give_up(self, claim: Claim, reason: str) -> str:
        _log.error("%s: message %s goes to %s: %s.", self._name, claim.message.id, self._poison.queue_name, reason)
        try:
            self._poison.send_message(claim.message.content, time_to_live=-1)
        except ResourceNotFoundError:
            self._poison.create_queue()
            self._poison.send_message(claim.message.content, time_to_live=-1)
        claim.delete()
        return "poison"

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS) or self._claims:
            with self._lock:
                claims = list(self._claims)
            for claim in claims:
                try:
                    claim.hide(CLAIM_SECONDS)
                except AzureError as error:
                    _log.warning("%s: a claim was not renewed: %s", self._name, error.message.splitlines()[0])


def poll_seconds(quiet_seconds: float) -> float:
    """Return how long to wait for the next look at a queue, of which the last message came so many seconds ago."""
    return next(pause for until, pause in POLLS if quiet_seconds < until)
