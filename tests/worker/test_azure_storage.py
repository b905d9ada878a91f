"""The Azure adapter against a real Azurite: conditions, claims, ranges and names as the service has them."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, StorageConnection
from pipeline_app.worker.azure_storage import BLOCK_BYTES, AzureBlobStore, AzureJobQueue, connect
from pipeline_app.worker.storage import BlobMissing, ClaimLost, Conflict


@pytest.fixture
def storage(connection_string: str) -> Iterator[tuple[AzureBlobStore, AzureJobQueue]]:
    container = f"c{uuid.uuid4().hex}"
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        blobs.create_container(container)
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.create_queue(name)
        yield connect(StorageConnection(connection_string=connection_string), container)
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.delete_queue(name)


@pytest.fixture
def store(storage: tuple[AzureBlobStore, AzureJobQueue]) -> AzureBlobStore:
    return storage[0]


@pytest.fixture
def queue(storage: tuple[AzureBlobStore, AzureJobQueue]) -> AzureJobQueue:
    return storage[1]


def write(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


NAMES = ["a b", "ü/日本", "100%2Fx", "a#b?c", "a+b", 'it\'s "quoted"', "x" * 900, "a/", "..a/b.", "a&b=c"]


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


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES - 7])
def test_files_of_every_size_arrive_whole(store: AzureBlobStore, tmp_path: Path, size: int) -> None:
    source = write(tmp_path / "source", size)
    etag = store.put_file("x", source, expected=None, metadata={"sha256": "s"}, writer=uuid.uuid4().hex)
    info = store.download("x", tmp_path / "target")
    assert (info.etag, info.size, dict(info.metadata)) == (etag, size, {"sha256": "s"})
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("source", "target")}
    assert len(digests) == 1


@pytest.mark.parametrize("size", [10, BLOCK_BYTES + 1])
def test_conditions_are_kept_for_small_and_large_files(store: AzureBlobStore, tmp_path: Path, size: int) -> None:
    source = write(tmp_path / "source", size)
    writer = uuid.uuid4().hex
    first = store.put_file("x", source, expected=None, metadata={}, writer=writer)
    with pytest.raises(Conflict):
        store.put_file("x", source, expected=None, metadata={}, writer=writer)
    second = store.put_file("x", source, expected=first, metadata={}, writer=writer)
    assert second != first
    with pytest.raises(Conflict):
        store.put_file("x", source, expected=first, metadata={}, writer=writer)
    with pytest.raises(Conflict):
        store.put_file("absent", source, expected=first, metadata={}, writer=writer)
    with pytest.raises(Conflict):
        store.read("x", first, 0, 1)
    with pytest.raises(Conflict):
        store.delete("x", first)
    store.delete("x", second)
    with pytest.raises(Conflict):
        store.delete("x", second)
    assert store.head("x") is None


def test_blocks_of_two_writers_of_one_name_never_mix(
    store: AzureBlobStore, tmp_path: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = write(tmp_path / "mine", BLOCK_BYTES + 5), write(tmp_path / "theirs", BLOCK_BYTES + 5)
    commit = store._blob("x").__class__.commit_block_list

    def late(self: object, *args: object, **kwargs: object) -> object:
        # The other writer stages all its blocks after this one staged its own and before it commits them.
        monkeypatch.undo()
        blob = store._blob("x")
        monkeypatch.setattr(type(blob), "commit_block_list", lambda *args, **kwargs: {"etag": "never"})
        store.put_file("x", theirs, expected=None, metadata={}, writer=uuid.uuid4().hex)
        monkeypatch.undo()
        return commit(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store._blob("x")), "commit_block_list", late)
    store.put_file("x", mine, expected=None, metadata={}, writer=uuid.uuid4().hex)
    store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == mine.read_bytes()


def test_a_missing_blob_is_none_or_an_error_of_its_own(store: AzureBlobStore, tmp_path: Path) -> None:
    assert store.head("x") is None
    with pytest.raises(BlobMissing):
        store.download("x", tmp_path / "file")


def test_a_claim_hides_the_message_and_its_proof_is_the_newest_pop_receipt(queue: AzureJobQueue) -> None:
    queue._jobs.send_message("job")
    message = queue.receive(30)
    assert message is not None
    assert (message.content, message.dequeue_count) == ("job", 1)
    assert queue.receive(30) is None
    assert not queue.is_empty()
    old = message.pop_receipt
    queue.renew(message, 30)
    assert message.pop_receipt != old
    queue.give_back(message, "changed", 0)
    again = queue.receive(30)
    assert again is not None
    assert (again.content, again.dequeue_count) == ("changed", 2)
    for settle in (queue.delete, lambda late: queue.renew(late, 30), lambda late: queue.give_back(late, "x", 0)):
        with pytest.raises(ClaimLost):
            settle(message)
    queue.delete(again)
    assert queue.is_empty()
    with pytest.raises(ClaimLost):
        queue.renew(again, 30)


def test_a_buried_message_is_in_the_poison_queue_alone(queue: AzureJobQueue) -> None:
    queue._jobs.send_message('<rubbish> & "more"')
    message = queue.receive(30)
    assert message is not None
    queue.bury(message)
    assert queue.is_empty()
    buried = queue._poison.receive_message()
    assert buried is not None
    assert buried.content == '<rubbish> & "more"'


def test_what_passes_by_itself_is_told_from_what_does_not(store: AzureBlobStore, connection_string: str) -> None:
    from azure.core.exceptions import HttpResponseError, ServiceRequestError

    def with_status(status: int) -> HttpResponseError:
        error = HttpResponseError("refused")
        error.status_code = status
        return error

    assert [
        status for status in (400, 403, 404, 408, 409, 412, 429, 500, 503) if store.is_transient(with_status(status))
    ] == [
        403,
        408,
        429,
        500,
        503,
    ]
    assert store.is_transient(ServiceRequestError("no connection"))
    assert not store.is_transient(ValueError("own mistake"))
