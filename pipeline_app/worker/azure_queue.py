"""The queue of jobs over the REST interface of Queue Storage."""

from __future__ import annotations

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from pipeline_app.rest import operations
from pipeline_app.rest.endpoint import Endpoint, StorageError
from pipeline_app.worker.storage import ClaimLost, Message


class AzureJobQueue:
    """The queue of jobs, as the protocol JobQueue says."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def receive(self, claim_seconds: int) -> Message | None:
        answer = self._endpoint.call("GET", f"{JOBS_QUEUE}/messages", {"visibilitytimeout": str(claim_seconds)})
        message = operations.parsed(answer).find("QueueMessage")
        if message is None:
            return None
        return Message(
            content=message.findtext("MessageText", ""),
            dequeue_count=int(message.findtext("DequeueCount", "1")),
            id=message.findtext("MessageId", ""),
            pop_receipt=message.findtext("PopReceipt", ""),
        )

    def renew(self, message: Message, claim_seconds: int, content: str | None = None) -> None:
        self._update(message, claim_seconds, b"" if content is None else operations.message_body(content))

    def give_back(self, message: Message, content: str, delay_seconds: float) -> None:
        self._update(message, round(delay_seconds), operations.message_body(content))

    def delete(self, message: Message) -> None:
        try:
            self._endpoint.call("DELETE", _path(message), {"popreceipt": message.pop_receipt})
        except StorageError as error:
            raise _claim_error(error) from error

    def bury(self, message: Message) -> None:
        operations.put_message(self._endpoint, JOBS_POISON_QUEUE, message.content)
        self.delete(message)

    def is_empty(self) -> bool:
        return operations.message_count(self._endpoint, JOBS_QUEUE)[0] == 0

    def close(self) -> None:
        """Close the connections to the Queue service that nobody uses."""
        self._endpoint.close()

    def _update(self, message: Message, visibility: int, body: bytes) -> None:
        query = {"popreceipt": message.pop_receipt, "visibilitytimeout": str(visibility)}
        try:
            answer = self._endpoint.call("PUT", _path(message), query, operations.XML if body else {}, body)
        except StorageError as error:
            raise _claim_error(error) from error
        message.pop_receipt = answer.headers["x-ms-popreceipt"]


def _claim_error(error: StorageError) -> Exception:
    """Return ClaimLost where the service says that the pop receipt is no longer the newest, else the error itself."""
    if error.code in ("MessageNotFound", "PopReceiptMismatch"):
        return ClaimLost(error.code)
    return error


def _path(message: Message) -> str:
    return f"{JOBS_QUEUE}/messages/{message.id}"
