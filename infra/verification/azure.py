"""The canary's view of Azure: the storage account by its key, and what runs the workers through Resource Manager."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from infra.deployer.resource_manager import ResourceManager, patiently
from infra.operate.azure_storage import AzureStorage
from infra.operate.story import gather
from infra.verification.canary import (
    BUILT_IN_CONTENT,
    BUILT_IN_NAME,
    Canary,
    CanaryError,
    CanaryStorage,
    Runners,
    Watch,
    put_through,
)
from infra.verification.diagnosis import diagnose
from infra.verification.runners import azure_runners
from pipeline_app.contract import StorageNames, plain_etag


class KeyedStorage(AzureStorage):
    """The application storage account, as the protocol CanaryStorage says."""

    def digest(self, name: str) -> tuple[int, str] | None:
        """Return the size in bytes and the SHA-256 in hex of a blob's content, or None."""
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in self._container.download_blob(name).chunks():
                digest.update(chunk)
                size += len(chunk)
        except ResourceNotFoundError:
            return None
        return size, digest.hexdigest()

    def remove(self, prefix: str) -> None:
        """Delete all blobs of the files container whose name starts with ``prefix``."""
        for name in [blob.name for blob in self._container.list_blobs(name_starts_with=prefix)]:
            try:
                self._container.delete_blob(name, delete_snapshots="include")
            except ResourceNotFoundError:
                # Somebody was faster, which is as good.
                continue

    def upload(self, name: str, content: bytes) -> str:
        """Upload a new blob and return its ETag without quotes."""
        return plain_etag(self._container.upload_blob(name, content).get_blob_properties().etag)


@contextmanager
def keyed_storage(connection_string: str, container: str) -> Iterator[CanaryStorage]:
    """Open the account with its key."""
    with ExitStack() as stack:
        blobs = stack.enter_context(BlobServiceClient.from_connection_string(connection_string))
        queues = stack.enter_context(QueueServiceClient.from_connection_string(connection_string))
        yield KeyedStorage(blobs, queues, container)


def verify(props: Mapping[str, Any], manager: ResourceManager) -> str:
    """Put a canary through the stack that the properties of a DeployVerification describe; say what came of it.

    Raises:
        CanaryError: it did not come through; the text has its story.
        RefusedError: Azure refused the deployer something.
        azure.core.exceptions.AzureError: the account or Resource Manager does not answer.
        OperateError: the account refuses something.
    """
    key = patiently(lambda: manager.account_key(props["account_id"]))
    connection = (
        f"AccountName={props['account_id'].rpartition('/')[2]};AccountKey={key};"
        f"BlobEndpoint={props['blob_endpoint']};QueueEndpoint={props['queue_endpoint']}"
    )
    with keyed_storage(connection, props["container"]) as storage:
        return verify_through(props, storage, azure_runners(manager, props))


def verify_through(props: Mapping[str, Any], storage: CanaryStorage, runners: Runners) -> str:
    """Do the same with an open account and what runs the workers."""
    names = StorageNames(container=props["container"], input_path=props["input_path"], output_path=props["output_path"])

    def explain(watch: Watch) -> str:
        story = gather(watch.name, storage, names, None)
        return diagnose(watch, story, names, runners.facts(), datetime.now(UTC))

    return put_through(_canary(props), names, storage, explain)


def _canary(props: Mapping[str, Any]) -> Canary:
    """Return the file that is put through: the user's, which must be the one that the program saw, or the built-in."""
    path, content = props["file"], BUILT_IN_CONTENT
    if path:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise CanaryError(
                f"verifyFile is {path!r}, which cannot be read any more: {error}. Put it back."
            ) from error
        if hashlib.sha256(content).hexdigest() != props["file_sha256"]:
            raise CanaryError(f"verifyFile is {path!r}, which changed while the stack was deployed. Run 'pulumi up'.")
    return Canary(
        content=content,
        image=props["image"],
        must_succeed=bool(path),
        name=PurePath(path).name if path else BUILT_IN_NAME,
        seconds=props["seconds"],
    )
