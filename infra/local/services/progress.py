"""What happens to each input, seen in the account's access log: it begins when it is read, it ends with its receipt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from azure.core.exceptions import AzureError, ResourceNotFoundError

from infra.local.services.azurite import Access, StorageAccount
from infra.local.services.blob_events import upload_of
from infra.local.watching.watcher import Watcher
from pipeline_app.contract import RECEIPT_NAME, ContractError, Receipt, StorageNames, plain_etag


class Progress:
    """Tells a watcher when an input is being processed and what came of it."""

    def __init__(self, account: StorageAccount, names: StorageNames, watcher: Watcher) -> None:
        self._names = names
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="progress")
        self._service = account.blobs()
        self._watcher = watcher
        account.listen(self._see)

    def close(self) -> None:
        """Stop reading receipts."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._service.close()

    def _see(self, access: Access) -> None:
        container, _, name = access.path.partition("/")[2].partition("/")
        if container != self._names.container:
            return
        if access.method == "GET" and not access.query.get("comp") and self._names.is_input(name):
            self._watcher.stage(name, "processing")
        elif name.startswith(f"{self._names.output_path}/") and name.endswith(f"/{RECEIPT_NAME}") and upload_of(access):
            self._pool.submit(self._report, name)

    def _report(self, name: str) -> None:
        try:
            blob = self._service.get_blob_client(self._names.container, name).download_blob()
            receipt = Receipt.decode(blob.readall().decode("utf-8", "replace"))
            current = self._service.get_blob_client(self._names.container, receipt.input.name).get_blob_properties()
        except ResourceNotFoundError:
            self._watcher.log("progress", f"The input of {name!r} is gone.")
            return
        except (AzureError, ContractError) as error:
            self._watcher.warn("progress", f"{name!r} cannot be read: {error}")
            return
        # While an overwritten input is processed, the worker marks the old receipt; that is no end of the new version.
        if plain_etag(current.etag) == receipt.input.etag:
            self._watcher.stage(receipt.input.name, receipt.status, receipt.error or "")
