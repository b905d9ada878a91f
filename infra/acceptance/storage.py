"""The application storage account as questions use it: every way to upload, receipts, queues, and the share."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient
from azure.storage.fileshare import ShareClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import RECEIPT_ETAG_METADATA, StorageNames, plain_etag

BLOCK_BYTES: Final = 64 * 1024


class Account(Protocol):
    """The account, by its key."""

    names: StorageNames

    def append(self, name: str, content: bytes) -> str:
        """Make an append blob, and append the content; return its ETag."""

    def copy(self, name: str, source: str) -> str:
        """Copy a blob of the container within the service; return the copy's ETag."""

    def put(self, name: str, content: bytes) -> str:
        """Put a blob up in one request, as the portal does with a small file; return its ETag."""

    def put_blocks(self, name: str, content: bytes) -> str:
        """Put a blob up block by block and commit them, as azcopy does; return its ETag."""

    def put_by_sdk(self, name: str, content: bytes) -> str:
        """Have the SDK cut a blob into blocks; return its ETag."""

    def receipt(self, name: str, etag: str) -> dict[str, Any] | None:
        """Return the receipt of this version of an input, or None."""

    def make_queue(self, name: str) -> None:
        """Make a queue."""

    def drop_queue(self, name: str) -> None:
        """Remove a queue; one that is gone is fine."""

    def messages(self, name: str) -> list[str]:
        """Take all visible messages from a queue and return them as they are stored."""

    def share_text(self, path: str) -> str | None:
        """Return the text of a file on the share, or None."""


class SdkAccount:
    """The real account, or Azurite."""

    def __init__(
        self, blobs: BlobServiceClient, queues: QueueServiceClient, share: ShareClient | None, names: StorageNames
    ) -> None:
        self.names = names
        self._container = blobs.get_container_client(names.container)
        self._queues = queues
        self._share = share

    def append(self, name: str, content: bytes) -> str:
        """Make an append blob and append to it."""
        blob = self._container.get_blob_client(name)
        blob.create_append_blob()
        return plain_etag(str(blob.append_block(content)["etag"]))

    def copy(self, name: str, source: str) -> str:
        """Copy within the service."""
        answer = self._container.get_blob_client(name).start_copy_from_url(self._container.get_blob_client(source).url)
        return plain_etag(str(answer["etag"]))

    def put(self, name: str, content: bytes) -> str:
        """Put up in one request."""
        return plain_etag(str(self._container.get_blob_client(name).upload_blob(content, overwrite=True)["etag"]))

    def put_blocks(self, name: str, content: bytes) -> str:
        """Put up block by block."""
        blob = self._container.get_blob_client(name)
        blocks = []
        for number, start in enumerate(range(0, len(content), BLOCK_BYTES)):
            block_id = base64.b64encode(f"{number:05}".encode()).decode()
            blob.stage_block(block_id, content[start : start + BLOCK_BYTES])
            blocks.append(BlobBlock(block_id=block_id))
        return plain_etag(str(blob.commit_block_list(blocks)["etag"]))

    def put_by_sdk(self, name: str, content: bytes) -> str:
        """Have the SDK cut it into blocks."""
        with BlobServiceClient(
            f"{self._container.url.rpartition('/')[0]}",
            credential=self._container.credential,
            max_block_size=BLOCK_BYTES,
            max_single_put_size=BLOCK_BYTES,
        ) as service:
            blob = service.get_blob_client(self.names.container, name)
            return plain_etag(str(blob.upload_blob(content, overwrite=True)["etag"]))

    def receipt(self, name: str, etag: str) -> dict[str, Any] | None:
        """Return the receipt of this version."""
        try:
            blob = self._container.download_blob(self.names.receipt_name(name))
        except ResourceNotFoundError:
            return None
        if (blob.properties.metadata or {}).get(RECEIPT_ETAG_METADATA) != etag:
            return None
        record: dict[str, Any] = json.loads(blob.readall())
        return record

    def make_queue(self, name: str) -> None:
        """Make a queue."""
        self._queues.create_queue(name)

    def drop_queue(self, name: str) -> None:
        """Remove a queue."""
        try:
            self._queues.delete_queue(name)
        except ResourceNotFoundError:
            return

    def messages(self, name: str) -> list[str]:
        """Take all visible messages."""
        queue = self._queues.get_queue_client(name)
        texts = []
        for message in queue.receive_messages(messages_per_page=32):
            texts.append(str(message.content))
            queue.delete_message(message)
        return texts

    def share_text(self, path: str) -> str | None:
        """Return the text of a file on the share."""
        if self._share is None:
            return None
        try:
            return bytes(self._share.get_file_client(path).download_file().readall()).decode("utf-8", "replace")
        except ResourceNotFoundError:
            return None


@contextmanager
def open_account(connection_string: str, names: StorageNames, share: str | None) -> Iterator[SdkAccount]:
    """Connect to an account by its connection string; without a share there are no files of it."""
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        if share is None:
            yield SdkAccount(blobs, queues, None, names)
            return
        with ShareClient.from_connection_string(connection_string, share) as files:
            yield SdkAccount(blobs, queues, files, names)
