"""What holds a blob in Azure Storage, told from a race that was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient, ContainerClient

from pipeline_app.rest.endpoint import Endpoint, StorageError
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.storage import BlobHeld, Conflict
from tests.worker.azure_files import LARGE, write, writer


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("", 404, Conflict),
        ("", 409, Conflict),
        ("", 412, Conflict),
        ("", 400, StorageError),
        ("BlobImmutableDueToLegalHold", 409, BlobHeld),
        ("BlobImmutableDueToPolicy", 409, BlobHeld),
        ("ContainerBeingDeleted", 409, StorageError),
        # The emulator looks at the condition first; the documentation does not say that the service does.
        ("InvalidBlockList", 400, Conflict),
        ("SystemInUse", 409, BlobHeld),
    ],
)
def test_only_a_lost_race_is_a_conflict(
    store: AzureBlobStore, monkeypatch: pytest.MonkeyPatch, code: str, status: int, kind: type[Exception]
) -> None:
    def refuse(*args: object, **kwargs: object) -> Answer:
        raise StorageError(status, code, "refused")

    monkeypatch.setattr(Endpoint, "call", refuse)
    with pytest.raises(kind) as raised:
        store.put_bytes("x", b"", expected="0x1", metadata={})
    assert type(raised.value) is kind


@pytest.mark.parametrize("size", [1, LARGE + 1], ids=["at once", "in blocks"])
@pytest.mark.parametrize(("seconds", "passing"), [(-1, False), (15, True)])
def test_a_leased_blob_is_looked_at_and_neither_overwritten_nor_deleted(
    store: AzureBlobStore,
    connection_string: str,
    container: str,
    tmp_path: Path,
    seconds: int,
    passing: bool,
    size: int,
) -> None:
    etag = store.put_bytes("a b", b"old", expected=None, metadata={})
    with BlobClient.from_connection_string(connection_string, container, "a b") as blob:
        lease = blob.acquire_lease(seconds)
        seen = store.head("a b")
        assert seen is not None
        assert seen.held is not None
        source = write(tmp_path / "source", size)
        for change in (
            lambda: store.put_bytes("a b", b"new", expected=etag, metadata={}),
            lambda: store.put_file("a b", source, expected=etag, metadata={}, writer=writer()),
            lambda: store.delete("a b", etag),
        ):
            with pytest.raises(BlobHeld, match=r"'a b'.*az storage blob lease break") as raised:
                change()
            assert (raised.value.name, raised.value.passing) == ("a b", passing)
            assert str(seen.held) == str(raised.value)
        assert store.read("a b", etag, 0, 3) == b"old"
        lease.break_lease(0)
    seen = store.head("a b")
    assert seen is not None
    assert seen.held is None
    store.put_file("a b", source, expected=seen.etag, metadata={}, writer=writer())


def test_a_blob_is_deleted_with_its_snapshots(store: AzureBlobStore, connection_string: str, container: str) -> None:
    etag = store.put_bytes("x", b"", expected=None, metadata={})
    with BlobClient.from_connection_string(connection_string, container, "x") as blob:
        blob.create_snapshot()
    store.delete("x", etag)
    with ContainerClient.from_connection_string(connection_string, container) as client:
        assert list(client.list_blobs(include=["snapshots"])) == []


def test_a_lease_that_ends_before_it_is_looked_at_is_a_lost_race(
    store: AzureBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = store.put_bytes("x", b"", expected=None, metadata={})
    call = Endpoint.call

    def refuse(self: Endpoint, method: str, *args: Any, **kwargs: Any) -> Answer:
        if method == "PUT":
            raise StorageError(412, "LeaseIdMissing", "There is a lease.")
        return call(self, method, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", refuse)
    with pytest.raises(Conflict):
        store.put_bytes("x", b"", expected=etag, metadata={})


def test_an_archived_log_or_receipt_is_told_as_what_holds_it(
    store: AzureBlobStore, connection_string: str, container: str
) -> None:
    etag = store.put_bytes("x", b"old", expected=None, metadata={})
    with BlobClient.from_connection_string(connection_string, container, "x") as blob:
        blob.set_standard_blob_tier("Archive")
    with pytest.raises(BlobHeld, match="az storage blob set-tier") as raised:
        store.read("x", etag, 0, 3)
    assert raised.value.deletable
    with pytest.raises(BlobHeld, match="az storage blob set-tier"):
        store.put_bytes("x", b"new", expected=etag, metadata={})
    store.delete("x", etag)
    assert store.head("x") is None
