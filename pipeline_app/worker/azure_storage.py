"""The one module of the worker that knows the Azure SDK: blobs and queue over it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueMessage, QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, StorageConnection, plain_etag
from pipeline_app.worker.storage import BlobInfo, BlobMissing, ClaimLost, Conflict, Message

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

# Ranges of 8 MiB are the fastest against the service and its emulator; four in flight bound memory at 32 MiB.
BLOCK_BYTES = 8 * 1024 * 1024
PARALLEL_BLOCKS = 4

# The SDK's own first wait is 18 seconds, which one cut connection would cost the file. These are 2, 4, 8, 16 and 32
# seconds, each a second more or less, so that workers that were throttled together do not come back together.
_CLIENT_OPTIONS: dict[str, Any] = {
    "connection_timeout": 20,
    "increment_base": 2,
    "initial_backoff": 0,
    "random_jitter_range": 1,
    "read_timeout": 60,
    "retry_total": 5,
}
_DOWNLOAD_TRIES = 5
# Also 403: a fresh role assignment takes minutes to be known everywhere.
_PASSING_STATUS = frozenset({403, 408, 429})


def connect(connection: StorageConnection, container: str) -> tuple[AzureBlobStore, AzureJobQueue]:
    """Open the container and the queues with a connection string or as the user-assigned identity."""
    sizes: dict[str, Any] = {"max_chunk_get_size": BLOCK_BYTES, "max_single_get_size": BLOCK_BYTES}
    if connection.connection_string:
        blobs = BlobServiceClient.from_connection_string(connection.connection_string, **sizes, **_CLIENT_OPTIONS)
        queues = QueueServiceClient.from_connection_string(connection.connection_string, **_CLIENT_OPTIONS)
    else:
        credential = _credential(connection)
        blobs = BlobServiceClient(str(connection.blob_service_uri), credential, **sizes, **_CLIENT_OPTIONS)
        queues = QueueServiceClient(str(connection.queue_service_uri), credential, **_CLIENT_OPTIONS)
    jobs = queues.get_queue_client(JOBS_QUEUE)
    poison = queues.get_queue_client(JOBS_POISON_QUEUE)
    return AzureBlobStore(blobs.get_container_client(container)), AzureJobQueue(jobs, poison)


class AzureBlobStore:
    """The blob container, as the protocol BlobStore says."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def head(self, name: str) -> BlobInfo | None:
        try:
            properties = self._blob(name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return _info(name, properties)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        for properties in self._container.list_blobs(name_starts_with=prefix, include=["metadata"]):
            yield _info(properties.name, properties)

    def download(self, name: str, path: Path) -> BlobInfo:
        # The SDK pins the ETag of the first range, so a version that changes in between ends in a 412.
        for attempt in range(_DOWNLOAD_TRIES):
            try:
                with path.open("wb") as target:
                    stream = self._blob(name).download_blob(max_concurrency=PARALLEL_BLOCKS)
                    stream.readinto(target)
                return _info(name, stream.properties)
            except ResourceNotFoundError as error:
                raise BlobMissing(name) from error
            except ResourceModifiedError:
                if attempt == _DOWNLOAD_TRIES - 1:
                    raise
        raise AssertionError("The loop returns or raises.")

    def read(self, name: str, etag: str, offset: int, length: int) -> bytes:
        try:
            stream = self._blob(name).download_blob(offset=offset, length=length, **_condition(etag))
            return bytes(stream.readall())
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            raise Conflict(name) from error

    def put_bytes(self, name: str, data: bytes, *, expected: str | None, metadata: Mapping[str, str]) -> str:
        return self._put(name, data, len(data), expected, metadata)

    def put_file(self, name: str, path: Path, *, expected: str | None, metadata: Mapping[str, str], writer: str) -> str:
        size = path.stat().st_size
        if size <= BLOCK_BYTES:
            return self._put(name, path.read_bytes(), size, expected, metadata)
        blob = self._blob(name)
        offsets = range(0, size, BLOCK_BYTES)
        # Uncommitted blocks belong to the blob's name, not to a writer: an id with the writer in it keeps the blocks
        # of a late writer out of this one's list.
        blocks = [base64.b64encode(f"{writer}{index:08d}".encode()).decode() for index in range(len(offsets))]

        def stage(index: int) -> None:
            with path.open("rb") as source:
                source.seek(offsets[index])
                data = source.read(BLOCK_BYTES)
            blob.stage_block(blocks[index], data, len(data))

        with ThreadPoolExecutor(PARALLEL_BLOCKS) as pool:
            for _ in pool.map(stage, range(len(offsets))):
                pass
        return _conditional(
            name,
            lambda: blob.commit_block_list(
                [BlobBlock(block_id=block) for block in blocks], metadata=dict(metadata), **_condition(expected)
            ),
        )

    def delete(self, name: str, expected: str) -> None:
        try:
            self._blob(name).delete_blob(**_condition(expected))
        except (ResourceModifiedError, ResourceNotFoundError) as error:
            raise Conflict(name) from error

    def is_transient(self, error: Exception) -> bool:
        if isinstance(error, HttpResponseError):
            status = error.status_code or 0
            return status >= 500 or status in _PASSING_STATUS
        return isinstance(error, (ServiceRequestError, ServiceResponseError))

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client(name)

    def _put(self, name: str, data: bytes, size: int, expected: str | None, metadata: Mapping[str, str]) -> str:
        blob = self._blob(name)
        return _conditional(
            name,
            lambda: blob.upload_blob(
                data, length=size, metadata=dict(metadata), overwrite=True, **_condition(expected)
            ),
        )


class AzureJobQueue:
    """The queue of jobs, as the protocol JobQueue says."""

    def __init__(self, jobs: QueueClient, poison: QueueClient) -> None:
        self._jobs = jobs
        self._poison = poison

    def receive(self, claim_seconds: int) -> Message | None:
        message = self._jobs.receive_message(visibility_timeout=claim_seconds)
        if message is None:
            return None
        return Message(
            content=str(message.content),
            dequeue_count=int(message.dequeue_count or 1),
            id=str(message.id),
            pop_receipt=str(message.pop_receipt),
        )

    def renew(self, message: Message, claim_seconds: int) -> None:
        self._update(message, claim_seconds, content=None)

    def give_back(self, message: Message, content: str, delay_seconds: float) -> None:
        self._update(message, round(delay_seconds), content=content)

    def delete(self, message: Message) -> None:
        try:
            self._jobs.delete_message(message.id, message.pop_receipt)
        except HttpResponseError as error:
            raise _claim_error(error) from error

    def bury(self, message: Message) -> None:
        self._poison.send_message(message.content, time_to_live=-1)
        self.delete(message)

    def is_empty(self) -> bool:
        return not self._jobs.get_queue_properties().approximate_message_count

    def _update(self, message: Message, visibility: int, content: str | None) -> None:
        try:
            updated: QueueMessage = self._jobs.update_message(
                message.id,
                message.pop_receipt,
                content,
                visibility_timeout=visibility,
            )
        except HttpResponseError as error:
            raise _claim_error(error) from error
        message.pop_receipt = str(updated.pop_receipt)


def _claim_error(error: HttpResponseError) -> Exception:
    """Return ClaimLost where the service says that the pop receipt is no longer the newest, else the error itself."""
    code = getattr(error, "error_code", None)
    if error.status_code == 404 or code in ("MessageNotFound", "PopReceiptMismatch"):
        return ClaimLost(str(code or error.reason))
    return error


def _condition(expected: str | None) -> dict[str, Any]:
    if expected is None:
        return {"match_condition": MatchConditions.IfMissing}
    return {"etag": f'"{expected}"', "match_condition": MatchConditions.IfNotModified}


def _conditional(name: str, write: Any) -> str:
    try:
        response = write()
    except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError) as error:
        # A missing container is no lost race; everything else with these codes is.
        if getattr(error, "error_code", None) == "ContainerNotFound":
            raise
        raise Conflict(name) from error
    return plain_etag(str(response["etag"]))


def _credential(connection: StorageConnection) -> TokenCredential:
    # Importing the identity library costs more than the rest of the worker's start, and a local run has no identity.
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=connection.client_id)


def _info(name: str, properties: Any) -> BlobInfo:
    return BlobInfo(
        etag=plain_etag(str(properties.etag)),
        metadata=dict(properties.metadata or {}),
        name=name,
        size=int(properties.size),
    )
