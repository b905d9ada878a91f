"""The Azure adapter against a real Azurite: conditions, claims, ranges and names as the service has them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from pipeline_app.contract import StorageConnection
from pipeline_app.rest.endpoint import Endpoint, StorageError, StorageUnreachable, StorageUnreadable
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_storage import connect
from pipeline_app.worker.storage import BlobMissing, BlobTooLarge, BlobUnreadable
from tests.worker.azure_files import LARGE, write, writer


def answer(body: bytes) -> Answer:
    return Answer(body=body, headers=HTTPMessage(), status=200)


NAMES = ["a b", "ü/日本", "100%2Fx", "a#b?c", "a+b", 'it\'s "quoted"', "x" * 900, "a/", "..a/.b", "a&b=c", "a//b", "~a"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_written_found_and_read_back(store: AzureBlobStore, tmp_path: Path, name: str) -> None:
    etag = store.put_bytes(name, b"data", expected=None, metadata={"attempt": "1"})
    info = store.head(name)
    assert info is not None
    assert (info.name, info.etag, info.size, dict(info.metadata)) == (name, etag, 4, {"attempt": "1"})
    assert [(blob.name, blob.etag, dict(blob.metadata)) for blob in store.list("")] == [(name, etag, {"attempt": "1"})]
    assert store.download(name, tmp_path / "file").etag == etag
    assert (tmp_path / "file").read_bytes() == b"data"
    assert store.read(name, etag, 1, 2) == b"at"


@pytest.mark.parametrize("name", ["a/../b", "./b", "b/.", "..", "a\\b"])
def test_a_name_that_azure_takes_for_another_one_reaches_no_blob(
    store: AzureBlobStore, tmp_path: Path, name: str
) -> None:
    store.put_bytes("b", b"data", expected=None, metadata={})
    uses: list[Callable[[], object]] = [
        lambda: store.download(name, tmp_path / "file"),
        lambda: store.head(name),
        lambda: store.put_bytes(name, b"other", expected=None, metadata={}),
        lambda: store.put_file(name, write(tmp_path / "source", 5), expected=None, metadata={}, writer=writer()),
        lambda: store.read(name, "0x1", 0, 1),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="stand for another name"):
            use()
    assert [(blob.name, blob.size) for blob in store.list("")] == [("b", 4)]


@pytest.mark.parametrize("size", [0, 1, LARGE - 1, LARGE, LARGE + 1, 12 * LARGE - 7])
def test_files_of_every_size_arrive_whole(store: AzureBlobStore, tmp_path: Path, size: int) -> None:
    source = write(tmp_path / "source", size)
    (tmp_path / "target").write_bytes(b"what an earlier attempt left" * LARGE)
    etag = store.put_file("x", source, expected=None, metadata={"sha256": "s"}, writer=writer())
    info = store.download("x", tmp_path / "target")
    assert (info.etag, info.size, dict(info.metadata)) == (etag, size, {"sha256": "s"})
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert info.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


def test_age_is_by_the_clock_of_the_service(store: AzureBlobStore, tmp_path: Path) -> None:
    store.put_bytes("x", b"", expected=None, metadata={})
    info = store.head("x")
    assert info is not None
    assert 0 <= info.age_seconds < 60


def test_of_a_blob_above_the_limit_little_more_than_its_size_is_fetched(store: AzureBlobStore, tmp_path: Path) -> None:
    store.put_file("x", write(tmp_path / "source", 5 * LARGE), expected=None, metadata={}, writer=writer())
    with pytest.raises(BlobTooLarge) as refused:
        store.download("x", tmp_path / "target", 5 * LARGE - 1)
    assert refused.value.info.size == 5 * LARGE
    assert (tmp_path / "target").stat().st_size == LARGE
    assert store.download("x", tmp_path / "target", 5 * LARGE).size == 5 * LARGE


def test_a_missing_blob_is_none_or_an_error_of_its_own(store: AzureBlobStore, tmp_path: Path) -> None:
    assert store.head("x") is None
    with pytest.raises(BlobMissing):
        store.download("x", tmp_path / "file")


def test_a_missing_container_is_neither_a_missing_blob_nor_a_lost_race(connection_string: str, tmp_path: Path) -> None:
    store, _ = connect(StorageConnection(connection_string=connection_string), "absent")
    uses: list[Callable[[], object]] = [
        lambda: list(store.list("")),
        lambda: store.download("x", tmp_path / "file"),
        lambda: store.head("x"),
        lambda: store.put_bytes("x", b"", expected=None, metadata={}),
        lambda: store.put_file("x", write(tmp_path / "source", 5), expected=None, metadata={}, writer=writer()),
    ]
    with closing(store):
        for use in uses:
            with pytest.raises(StorageError, match="ContainerNotFound"):
                use()


def test_an_archived_blob_can_be_looked_at_and_not_be_read(
    store: AzureBlobStore, connection_string: str, container: str, tmp_path: Path
) -> None:
    etag = store.put_bytes("x", b"data", expected=None, metadata={})
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        blobs.get_blob_client(container, "x").set_standard_blob_tier("Archive")
    info = store.head("x")
    assert info is not None
    assert (info.etag, info.size) == (etag, 4)
    with pytest.raises(BlobUnreadable, match=r"'x' cannot be read: it is in the archive tier.*BlobArchived"):
        store.download("x", tmp_path / "file")


OTHERS_REFUSED, OTHERS_READ = StorageError(403, "AuthorizationPermissionMismatch", ""), StorageError(404, "", "")


@pytest.mark.parametrize(
    ("status", "code", "beside", "reason"),
    [
        (400, "InvalidOperation", None, "refuses it for good"),
        (403, "AuthorizationPermissionMismatch", OTHERS_READ, "this blob alone is refused"),
        (403, "AuthorizationPermissionMismatch", OTHERS_REFUSED, None),
        (403, "AuthorizationPermissionMismatch", StorageUnreachable("no connection"), None),
        (404, "ContainerNotFound", None, None),
        (409, "BlobArchived", None, "archive tier"),
        (409, "BlobBeingRehydrated", None, "on its way out of the archive tier"),
        (409, "BlobUsesCustomerSpecifiedEncryption", None, "encryption key of its own"),
        (503, "ServerBusy", None, None),
    ],
)
def test_an_answer_about_one_blob_is_told_from_one_about_all(
    store: AzureBlobStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    code: str,
    beside: Exception | None,
    reason: str | None,
) -> None:
    monkeypatch.setattr(store, "list", lambda prefix: iter(()))

    def refuse(self: Endpoint, method: str, path: str, *args: object, **options: object) -> Answer:
        if path.endswith("/receipt.json"):
            assert beside is not None
            raise beside
        raise StorageError(status, code, "so it is")

    monkeypatch.setattr(Endpoint, "call", refuse)
    uses: list[Callable[[], object]] = [lambda: store.head("x"), lambda: store.download("x", tmp_path / "file")]
    for use in uses:
        with pytest.raises((BlobUnreadable, StorageError)) as raised:
            use()
        assert isinstance(raised.value, BlobUnreadable) == (reason is not None)
        assert reason is None or reason in str(raised.value)
        # A scanner's verdict may still come.
        assert store.is_transient(raised.value) == (reason is None or status == 403)


def test_a_blob_that_may_not_be_looked_at_alone_is_found_in_the_listing(
    store: AzureBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = store.put_bytes("x", b"data", expected=None, metadata={})
    store.put_bytes("yy", b"data", expected=None, metadata={})
    call = Endpoint.call

    def refuse(self: Endpoint, method: str, *args: Any, **options: Any) -> Answer:
        if method == "HEAD":
            raise StorageError(409, "BlobUsesCustomerSpecifiedEncryption", "")
        return call(self, method, *args, **options)

    monkeypatch.setattr(Endpoint, "call", refuse)
    info = store.head("x")
    assert info is not None
    assert (info.name, info.etag, info.size) == ("x", etag, 4)
    assert store.head("y") is None


def test_a_listing_goes_on_to_its_last_page_and_understands_what_xml_cannot_carry(
    store: AzureBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    date = "<Last-Modified>Tue, 24 Nov 2026 12:00:00 GMT</Last-Modified>"
    properties = f"<Properties>{date}<Etag>{{}}</Etag><Content-Length>7</Content-Length></Properties>"
    blob = f"<Blob><Name{{}}>{{}}</Name>{properties}{{}}</Blob>"
    pages = {
        "": [
            blob.format(' Encoded="true"', "a%2Fb%EF%BF%BF%20+", "0x1", "<Metadata><Status>done</Status></Metadata>"),
            blob.format("", "a%2Fb &amp;c&#xD;", "0x2", "<Metadata />"),
            "<NextMarker>m&amp;1</NextMarker>",
        ],
        "m&1": ["<NextMarker>m2</NextMarker>"],
        "m2": [blob.format(' Encoded="false"', "%41", "0x3", ""), "<NextMarker />"],
    }

    def page(self: Endpoint, method: str, path: str, query: dict[str, str]) -> Answer:
        *blobs, marker = pages[query.get("marker", "")]
        return answer(f"\ufeff<R><Blobs>{''.join(blobs)}</Blobs>{marker}</R>".encode())

    monkeypatch.setattr(Endpoint, "call", page)
    assert [(blob.name, blob.etag, blob.size, dict(blob.metadata)) for blob in store.list("")] == [
        ("a/b\uffff +", "0x1", 7, {"status": "done"}),
        ("a%2Fb &c\r", "0x2", 7, {}),
        ("%41", "0x3", 7, {}),
    ]


def test_an_answer_that_is_not_the_service_s_is_an_outage(
    store: AzureBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Endpoint, "call", lambda *args: answer(b"<html><p>Please log in."))
    with pytest.raises(StorageUnreachable, match="log in") as raised:
        list(store.list(""))
    assert store.is_transient(raised.value)


def test_what_passes_by_itself_is_told_from_what_does_not(store: AzureBlobStore) -> None:
    statuses = (400, 401, 403, 404, 408, 409, 412, 429, 500, 503)
    passing = [status for status in statuses if store.is_transient(StorageError(status, "", ""))]
    assert passing == [401, 403, 408, 429, 500, 503]
    for code in ("ContainerBeingDeleted", "ContainerNotFound", "QueueBeingDeleted", "QueueNotFound"):
        assert store.is_transient(StorageError(409 if code.endswith("Deleted") else 404, code, ""))
    assert not store.is_transient(BlobUnreadable("archived"))
    assert not store.is_transient(StorageUnreadable("an endless header"))
    assert store.is_transient(StorageUnreachable("no connection"))
    assert not store.is_transient(ValueError("own mistake"))
