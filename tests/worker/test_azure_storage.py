"""The Azure adapter against a real Azurite: conditions, claims, ranges and names as the service has them."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient

from pipeline_app.contract import StorageConnection
from pipeline_app.rest.endpoint import Endpoint, StorageError, StorageUnreachable, StorageUnreadable
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker import azure_ranges
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_storage import connect
from pipeline_app.worker.outputs import collect
from pipeline_app.worker.scratch import Vanished
from pipeline_app.worker.storage import BlobHeld, BlobMissing, BlobTooLarge, BlobUnreadable, Conflict

# Files that are large for these tests, so that they do not have to be.
LARGE = 1024 * 1024


@pytest.fixture
def container(connection_string: str) -> Iterator[str]:
    name = f"c{uuid.uuid4().hex}"
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        blobs.create_container(name)
        yield name


@pytest.fixture
def store(connection_string: str, container: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureBlobStore]:
    monkeypatch.setattr(azure_ranges, "RANGE_BYTES", 2 * LARGE)
    monkeypatch.setattr(azure_ranges, "SINGLE_BYTES", LARGE)
    with closing(connect(StorageConnection(connection_string=connection_string), container)[0]) as store:
        yield store


def write(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def writer() -> str:
    return uuid.uuid4().hex


def answer(body: bytes) -> Answer:
    return Answer(body=body, headers=HTTPMessage(), status=200)


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_app.rest.endpoint.time.sleep", lambda seconds: None)


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


@pytest.mark.parametrize("size", [0, 10, LARGE + 1])
def test_conditions_are_kept_for_small_and_large_files(store: AzureBlobStore, tmp_path: Path, size: int) -> None:
    source = write(tmp_path / "source", size)
    first = store.put_file("x", source, expected=None, metadata={}, writer=writer())
    with pytest.raises(Conflict):
        store.put_file("x", source, expected=None, metadata={}, writer=writer())
    second = store.put_file("x", source, expected=first, metadata={}, writer=writer())
    assert second != first
    with pytest.raises(Conflict):
        store.put_file("x", source, expected=first, metadata={}, writer=writer())
    with pytest.raises(Conflict):
        store.put_file("absent", source, expected=first, metadata={}, writer=writer())
    with pytest.raises(Conflict):
        store.read("x", first, 0, 1)
    with pytest.raises(Conflict):
        store.delete("x", first)
    store.delete("x", second)
    with pytest.raises(Conflict):
        store.delete("x", second)
    assert store.head("x") is None


def test_blocks_of_two_writers_of_one_name_never_mix(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = write(tmp_path / "mine", 3 * LARGE + 5), write(tmp_path / "theirs", 3 * LARGE + 5)
    call = Endpoint.call
    staged = []

    def late(self: Endpoint, method: str, path: str, query: Any = None, *args: Any, **kwargs: Any) -> Answer:
        if (query or {}).get("comp") == "blocklist":
            staged.append(path)
            if len(staged) == 2:
                raise StorageUnreachable("The other writer is lost before it commits its blocks.")
            # The other writer stages all its blocks after this one staged its own and before it commits them.
            with pytest.raises(StorageUnreachable):
                store.put_file("x", theirs, expected=None, metadata={}, writer=writer())
        return call(self, method, path, query, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    store.put_file("x", mine, expected=None, metadata={}, writer=writer())
    assert len(staged) == 2
    store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == mine.read_bytes()


@pytest.mark.refused("InvalidBlockList")
@pytest.mark.parametrize("size", [10, 3 * LARGE + 5])
def test_a_writer_whose_blocks_were_swept_away_by_another_is_told_of_a_conflict(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    before = store.put_bytes("x", b"before", expected=None, metadata={})
    theirs = write(tmp_path / "theirs", size)
    call = Endpoint.call

    def late(self: Endpoint, method: str, path: str, query: Any = None, *args: Any, **kwargs: Any) -> Answer:
        if (query or {}).get("comp") == "blocklist":
            monkeypatch.undo()
            store.put_file("x", theirs, expected=before, metadata={}, writer=writer())
        return call(self, method, path, query, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    with pytest.raises(Conflict):
        store.put_file("x", write(tmp_path / "mine", 3 * LARGE), expected=before, metadata={}, writer=writer())
    store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == theirs.read_bytes()


def test_a_blob_overwritten_during_a_download_arrives_as_one_version(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = write(tmp_path / "old", 6 * LARGE), write(tmp_path / "new", 5 * LARGE)
    first = store.put_file("x", old, expected=None, metadata={}, writer=writer())
    call = Endpoint.call

    def late(self: Endpoint, method: str, path: str, query: Any = None, headers: Any = None, **kwargs: Any) -> Answer:
        if headers and headers.get("x-ms-range", "").startswith(f"bytes={3 * LARGE}-"):
            monkeypatch.setattr(Endpoint, "call", call)
            store.put_file("x", new, expected=first, metadata={}, writer=writer())
        return call(self, method, path, query, headers, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    info = store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == new.read_bytes()
    assert (info.sha256, info.size) == (hashlib.sha256(new.read_bytes()).hexdigest(), 5 * LARGE)


def test_an_empty_blob_that_is_filled_during_its_download_arrives_filled(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.put_bytes("x", b"", expected=None, metadata={})
    call = Endpoint.call

    def late(self: Endpoint, method: str, *args: Any, **kwargs: Any) -> Answer:
        if method == "HEAD":
            monkeypatch.setattr(Endpoint, "call", call)
            store.put_bytes("x", b"filled", expected=first, metadata={})
        return call(self, method, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    info = store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"filled"
    assert (info.sha256, info.size) == (hashlib.sha256(b"filled").hexdigest(), 6)


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


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("written", [0, LARGE, 3 * LARGE])
def test_a_full_disk_is_told_at_once_and_as_such(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    store.put_file("x", write(tmp_path / "source", 5 * LARGE), expected=None, metadata={}, writer=writer())
    pwrite = os.pwrite

    def full(file: int, data: memoryview, position: int) -> int:
        if position >= written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, data, position)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        store.download("x", tmp_path / "file")
    assert raised.value.errno == errno.ENOSPC
    assert not store.is_transient(raised.value)


@pytest.mark.usefixtures("no_waits")
def test_a_file_that_shrinks_during_its_upload_is_an_error_of_this_machine(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "source", 100)

    def shrinking(file: azure_ranges.FileRange) -> azure_ranges.FileRange:
        os.truncate(source, 10)
        return file

    monkeypatch.setattr(azure_ranges.FileRange, "__enter__", shrinking)
    with pytest.raises(OSError, match="has become shorter"):
        store.put_file("x", source, expected=None, metadata={}, writer=writer())
    assert store.head("x") is None


@pytest.mark.parametrize("size", [0, 1, LARGE, LARGE + 1, 5 * LARGE + 3])
@pytest.mark.parametrize("change", ["first byte", "last byte", "longer", "shorter", "empty"])
def test_what_was_changed_since_it_was_hashed_is_not_put_up(
    store: AzureBlobStore, tmp_path: Path, size: int, change: str
) -> None:
    (output := tmp_path / "output").mkdir()
    source = write(output / "x", size)
    (file,) = collect(output, "outgoing/a", 1)
    assert (file.size, file.sha256) == (size, hashlib.sha256(source.read_bytes()).hexdigest())
    content = source.read_bytes()
    changed = {
        "first byte": bytes([content[0] ^ 1]) + content[1:] if content else b"x",
        "last byte": content[:-1] + bytes([content[-1] ^ 1]) if content else b"x",
        "longer": content + b"x",
        "shorter": content[:-1] if content else b"x",
        "empty": b"" if content else b"x",
    }[change]
    source.write_bytes(changed)
    with pytest.raises(Vanished, match="was changed after its run had ended"):
        store.put_file("x", source, expected=None, metadata={}, pieces=file.pieces, writer=writer())
    assert store.head("x") is None
    source.write_bytes(content)
    store.put_file("x", source, expected=None, metadata={}, pieces=file.pieces, writer=writer())
    assert store.download("x", tmp_path / "target").sha256 == file.sha256


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
