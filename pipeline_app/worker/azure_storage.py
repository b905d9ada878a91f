"""The one module of the worker that knows the storage services: blobs and queue over their REST interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, RECEIPT_NAME, StorageConnection, plain_etag
from pipeline_app.rest import operations
from pipeline_app.rest.endpoint import Endpoint, StorageError, StorageUnreachable, open_account
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker import azure_ranges, holds
from pipeline_app.worker.azure_ranges import FileRange
from pipeline_app.worker.scratch import Vanished
from pipeline_app.worker.storage import (
    BlobHeld,
    BlobInfo,
    BlobMissing,
    BlobTooLarge,
    BlobUnreadable,
    ClaimLost,
    Conflict,
    Message,
)

_DOWNLOAD_TRIES: Final = 5
FORBIDDEN: Final = 403
# What the service says to a writer that was late. Blocks vanish where another writer has committed its own in between.
# The same statuses stand for leases and policies, too, and these do not end by looking again.
_LOST_RACES: Final = frozenset(
    {"BlobAlreadyExists", "BlobNotFound", "BlobOverwritten", "ConditionNotMet", "InvalidBlockList"}
)
# Why a blob cannot be read, now or ever, though it is there and the identity has its role; by the service's own code.
# Source: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
_UNREADABLE: Final[Mapping[str, str]] = {
    "BlobArchived": (
        "it is in the archive tier, and nothing can be read from there. Set its tier to hot, cool or cold, wait some "
        "hours until that is done, and 'retry' it"
    ),
    "BlobBeingRehydrated": "it is on its way out of the archive tier, which takes hours. 'retry' it after that",
    "BlobUsesCustomerSpecifiedEncryption": (
        "it was uploaded with an encryption key of its own, which the pipeline does not have. Upload it without one"
    ),
}
_LOST_RACE_STATUS: Final = frozenset({404, 409, 412})
_STATE_STATUS: Final = frozenset({409, 412})
# Also 403: a fresh role assignment takes minutes to be known everywhere. And a container or queue that is being made
# anew is no file's fault. None of these is waited for without end; see GIVE_UP_SECONDS.
_PASSING_CODES: Final = frozenset(
    {
        "ContainerBeingDeleted",
        "ContainerDisabled",
        "ContainerNotFound",
        "QueueBeingDeleted",
        "QueueDisabled",
        "QueueNotFound",
    }
)
_PASSING_STATUS: Final = frozenset({401, 403, 408, 429})


def connect(
    connection: StorageConnection, container: str, pause: Callable[[float], None] | None = None
) -> tuple[AzureBlobStore, AzureJobQueue]:
    """Open the container and the queues with a connection string or as the user-assigned identity.

    ``pause`` waits for seconds before a request is tried again, instead of ``time.sleep``.

    Raises:
        ContractError: the connection string is not complete.
    """
    blobs, queues = open_account(connection, pause=pause)
    return AzureBlobStore(blobs, container), AzureJobQueue(queues)


class AzureBlobStore:
    """The blob container, as the protocol BlobStore says."""

    def __init__(self, endpoint: Endpoint, container: str) -> None:
        self._container = container
        self._endpoint = endpoint

    def head(self, name: str) -> BlobInfo | None:
        try:
            answer = self._endpoint.call("HEAD", self._path(name))
            return replace(_info(name, answer), held=self._held_by_lease(name, answer))
        except StorageError as error:
            if error.is_missing_blob:
                return None
            problem = self._unreadable(name, error)
            # What may not be looked at alone, as one with an encryption key of its own, is in the listing all the same.
            if isinstance(problem, BlobUnreadable) and (listed := next(self.list(name), None)) is not None:
                return listed if listed.name == name else None
            raise problem from error

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        marker = ""
        while True:
            page = operations.list_page(self._endpoint, self._container, prefix, marker=marker, metadata=True)
            for blob in page.blobs:
                yield BlobInfo(etag=blob.etag, metadata=blob.metadata, name=blob.name, size=blob.size)
            marker = page.marker
            if not marker:
                return

    def download(self, name: str, path: Path, limit: int | None = None) -> BlobInfo:
        for attempt in range(_DOWNLOAD_TRIES):
            try:
                answer, sha256 = azure_ranges.download(self._endpoint, self._path(name), path, limit)
                info = _info(name, answer, sha256)
                if limit is not None and info.size > limit:
                    raise BlobTooLarge(info)
                return info
            except StorageError as error:
                if error.is_missing_blob:
                    raise BlobMissing(name) from error
                # A version that changes between two ranges is begun anew.
                if error.status != 412 or attempt == _DOWNLOAD_TRIES - 1:
                    raise self._unreadable(name, error) from error
        raise AssertionError("The loop returns or raises.")

    def read(self, name: str, etag: str, offset: int, length: int) -> bytes:
        headers = {**_condition(etag), "x-ms-range": f"bytes={offset}-{offset + length - 1}"}
        try:
            return self._endpoint.call("GET", self._path(name), headers=headers).body
        except StorageError as error:
            raise self._refused(name, error) from error

    def put_bytes(self, name: str, data: bytes, *, expected: str | None, metadata: Mapping[str, str]) -> str:
        headers = {"x-ms-blob-type": "BlockBlob", **_metadata(metadata), **_condition(expected)}
        try:
            return _etag(self._endpoint.call("PUT", self._path(name), headers=headers, body=data))
        except StorageError as error:
            raise self._refused(name, error) from error

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        expected: str | None,
        metadata: Mapping[str, str],
        writer: str,
        pieces: Sequence[str] | None = None,
    ) -> str:
        size = path.stat().st_size
        if pieces is not None and len(pieces) != len(range(0, size, azure_ranges.piece_bytes(size))):
            raise Vanished(f"{path} was changed after its run had ended")
        headers = {**_metadata(metadata), **_condition(expected)}
        try:
            if size <= azure_ranges.SINGLE_BYTES:
                answer = self._endpoint.call(
                    "PUT",
                    self._path(name),
                    headers={"x-ms-blob-type": "BlockBlob", **headers},
                    body=lambda: FileRange(path, 0, size, pieces[0] if pieces else None),
                    length=size,
                )
            else:
                blocks = azure_ranges.stage(self._endpoint, self._path(name), path, size, writer, pieces)
                headers |= operations.XML
                answer = self._endpoint.call("PUT", self._path(name), {"comp": "blocklist"}, headers, blocks)
        except StorageError as error:
            raise self._refused(name, error) from error
        return _etag(answer)

    def delete(self, name: str, expected: str) -> None:
        try:
            # A blob with snapshots is deleted with them or not at all.
            # Source: https://learn.microsoft.com/rest/api/storageservices/delete-blob
            headers = {"x-ms-delete-snapshots": "include", **_condition(expected)}
            self._endpoint.call("DELETE", self._path(name), headers=headers)
        except StorageError as error:
            raise self._refused(name, error) from error

    def is_transient(self, error: Exception) -> bool:
        if isinstance(error, StorageError):
            return error.status >= 500 or error.status in _PASSING_STATUS or error.code in _PASSING_CODES
        return isinstance(error, StorageUnreachable) or (isinstance(error, BlobUnreadable) and error.passing)

    def close(self) -> None:
        """Close the connections to the Blob service that nobody uses."""
        self._endpoint.close()

    def _path(self, name: str) -> str:
        return f"{self._container}/{name}"

    def _refused(self, name: str, error: StorageError) -> Exception:
        """Return Conflict for a refused condition, BlobHeld for what holds the blob itself, else the error."""
        if error.code in holds.LEASED_CODES:
            # A lease that ended since then leaves a state that the writer has not seen.
            blob = self.head(name)
            return Conflict(name) if blob is None or blob.held is None else blob.held
        if error.code in _LOST_RACES or (not error.code and error.status in _LOST_RACE_STATUS):
            return Conflict(name)
        # Whatever else says of a single blob that its state forbids it would say so again.
        if error.status in _STATE_STATUS and error.code not in _PASSING_CODES:
            reason = f"{holds.explain(name, self._container, error.code)} The storage said: {error}"
            return BlobHeld(
                name,
                reason,
                deletable=error.code in holds.DELETABLE_CODES,
                passing=error.code in holds.PASSING_CODES,
            )
        return error

    def _held_by_lease(self, name: str, answer: Answer) -> BlobHeld | None:
        said = [answer.headers.get(f"x-ms-lease-{what}") for what in ("status", "state", "duration")]
        if not (lease := holds.lease_of(*said)):
            return None
        return BlobHeld(
            name, holds.explain(name, self._container, "LeaseIdMissing", lease), passing=holds.passes(lease)
        )

    def _unreadable(self, name: str, error: StorageError) -> Exception:
        """Return BlobUnreadable where an answer is about this blob and no other, else the error itself."""
        if error.status == FORBIDDEN and error.code not in _UNREADABLE:
            # A role that is not in force refuses all blobs alike; a scanner's verdict, or a condition, refuses one.
            if not self._reads_others(name):
                return error
            reason = "this blob alone is refused to the pipeline, as a scan for malware or a condition of a role may do"
        elif self.is_transient(error):
            return error
        else:
            reason = _UNREADABLE.get(error.code, "the storage refuses it for good")
        passing = error.status == FORBIDDEN
        return BlobUnreadable(f"The blob {name!r} cannot be read: {reason} ({error}).", passing=passing)

    def _reads_others(self, name: str) -> bool:
        """Tell whether the container lets this worker look at a blob that is not there beside this one."""
        try:
            self._endpoint.call("HEAD", self._path(f"{name}/{RECEIPT_NAME}"))
        except StorageError as error:
            return error.is_missing_blob
        except StorageUnreachable:
            return False
        return True


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


def _condition(expected: str | None) -> dict[str, str]:
    return {"If-None-Match": "*"} if expected is None else {"If-Match": f'"{expected}"'}


def _etag(answer: Answer) -> str:
    return plain_etag(answer.headers["ETag"])


def _info(name: str, answer: Answer, sha256: str = "") -> BlobInfo:
    return BlobInfo(
        age_seconds=answer.age_seconds(),
        etag=_etag(answer),
        metadata=answer.metadata(),
        name=name,
        sha256=sha256,
        size=azure_ranges.total_bytes(answer),
    )


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


def _path(message: Message) -> str:
    return f"{JOBS_QUEUE}/messages/{message.id}"
