"""Opens the storage services for the worker, whose blobs and queue are behind the protocols of ``storage``."""

from __future__ import annotations

from collections.abc import Callable

from pipeline_app.contract import StorageConnection
from pipeline_app.rest.endpoint import open_account
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_queue import AzureJobQueue


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
