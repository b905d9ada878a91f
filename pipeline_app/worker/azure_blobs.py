"""The blob container over the REST interface of Blob Storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline_app.contract import RECEIPT_NAME, plain_etag
from pipeline_app.rest import operations
from pipeline_app.rest.endpoint import Endpoint, StorageError, StorageUnreachable
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker import azure_ranges, azure_refusals, holds
from pipeline_app.worker.azure_ranges import FileRange
from pipeline_app.worker.scratch import Vanished
from pipeline_app.worker.storage import (
    BlobHeld,
    BlobInfo,
    BlobMissing,
    BlobTooLarge,
    BlobUnreadable,
    Conflict,
)

_DOWNLOAD_TRIES: Final = 5


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
                if limit is not None and azure_ranges.total_bytes(answer) > limit:
                    # The hash is that of the first range at best.
                    raise BlobTooLarge(_info(name, answer))
                return _info(name, answer, sha256)
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

        def put_blocks() -> Answer:
            blocks = azure_ranges.stage(self._endpoint, self._path(name), path, size, writer, pieces)
            return self._endpoint.call(
                "PUT", self._path(name), {"comp": "blocklist"}, {**headers, **operations.XML}, blocks
            )

        def put_whole() -> Answer:
            try:
                return self._endpoint.call(
                    "PUT",
                    self._path(name),
                    headers={"x-ms-blob-type": "BlockBlob", **headers},
                    body=lambda: FileRange(path, 0, size, pieces[0] if pieces else None),
                    length=size,
                )
            except StorageError as error:
                if error.code != "BlobAlreadyExists" or self.head(name) is not None:
                    raise
                # Blocks that nobody has committed, as a lost attempt leaves them, take the place of a blob for such a
                # request in Azurite, and for no list of blocks.
                return put_blocks()

        try:
            answer = put_whole() if size <= azure_ranges.SINGLE_BYTES else put_blocks()
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
        return azure_refusals.is_transient(error)

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
        if azure_refusals.is_lost_race(error):
            return Conflict(name)
        return azure_refusals.held_by_state(name, self._container, error) or error

    def _held_by_lease(self, name: str, answer: Answer) -> BlobHeld | None:
        said = [answer.headers.get(f"x-ms-lease-{what}") for what in ("status", "state", "duration")]
        if not (lease := holds.lease_of(*said)):
            return None
        return BlobHeld(
            name, holds.explain(name, self._container, "LeaseIdMissing", lease), passing=holds.passes(lease)
        )

    def _unreadable(self, name: str, error: StorageError) -> Exception:
        """Return BlobUnreadable where an answer is about this blob and no other, else the error itself."""
        # A role that is not in force refuses all blobs alike; a scanner's verdict, or a condition, refuses one.
        alone = azure_refusals.is_about_rights(error) and self._reads_others(name)
        return azure_refusals.unreadable(name, error) if alone or not self.is_transient(error) else error

    def _reads_others(self, name: str) -> bool:
        """Tell whether the container lets this worker look at a blob that is not there beside this one."""
        try:
            self._endpoint.call("HEAD", self._path(f"{name}/{RECEIPT_NAME}"))
        except StorageError as error:
            return error.is_missing_blob
        except StorageUnreachable:
            return False
        return True


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
