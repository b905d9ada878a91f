"""The storage account through the SDK, on Azurite: a retry's copy above all."""

from __future__ import annotations

import base64
import json
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient, ContentSettings, StandardBlobTier
from azure.storage.queue import QueueServiceClient

from infra.operate.azure_storage import AzureStorage, connect
from infra.operate.places import Place
from infra.operate.storage import OperateError, OverwrittenError
from infra.settings.naming import DEAD_LETTER_CONTAINER
from pipeline_app.contract import FileJob, StorageNames
from tests.memory.operate import OLD

NAME = "incoming/ü #+%2F?/a 'b'.csv"
QUEUES = ("events", "events-poison", "jobs", "jobs-poison")


@pytest.fixture
def container(connection_string: str) -> Iterator[ContainerClient]:
    """A files container of the test's own, the queues, and the container of dead letters."""
    with (
        BlobServiceClient.from_connection_string(connection_string, max_single_put_size=2**20) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        for name in QUEUES:
            queues.create_queue(name)
        letters = blobs.create_container(DEAD_LETTER_CONTAINER)
        files = blobs.create_container(f"files-{uuid.uuid4().hex}")
        yield files
        for made in (files, letters):
            made.delete_container()
        for name in QUEUES:
            queues.delete_queue(name)


@pytest.fixture
def place(connection_string: str, container: ContainerClient) -> Place:
    names = StorageNames(container=str(container.container_name), input_path="incoming", output_path="outgoing")
    return Place(connection_string=connection_string, names=names)


@pytest.fixture
def storage(place: Place) -> Iterator[AzureStorage]:
    with connect(place) as connected:
        yield connected


# Put Blob leaves no block list behind and Put Block List does; neither may matter.
@pytest.mark.parametrize("size", [0, 5, 3 * 2**20], ids=["empty", "one put", "blocks"])
def test_a_renewed_blob_is_a_new_version_of_the_same_content(
    container: ContainerClient, storage: AzureStorage, size: int
) -> None:
    blob = container.get_blob_client(NAME)
    blob.upload_blob(b"x" * size, content_settings=ContentSettings(content_type="text/csv"), metadata={"who": "me"})
    before = storage.find(NAME)
    assert before
    etag = storage.renew(before)
    after = storage.find(NAME)
    assert after
    assert after.etag == etag != before.etag
    assert (after.size, after.metadata, after.kind) == (size, {"who": "me"}, "BlockBlob")
    assert blob.get_blob_properties().content_settings.content_type == "text/csv"
    assert blob.download_blob().readall() == b"x" * size


def test_a_renewed_blob_keeps_its_tags(container: ContainerClient, storage: AzureStorage) -> None:
    blob = container.get_blob_client(NAME)
    blob.upload_blob(b"x", tags={"team": "files"})
    before = storage.find(NAME)
    assert before
    storage.renew(before)
    assert blob.get_blob_tags() == {"team": "files"}


@pytest.mark.parametrize("tier", ["Hot", "Cool", "Cold"])
def test_a_renewed_blob_keeps_a_tier_of_its_own(container: ContainerClient, storage: AzureStorage, tier: str) -> None:
    blob = container.get_blob_client(NAME)
    blob.upload_blob(b"x", standard_blob_tier=StandardBlobTier(tier))
    before = storage.find(NAME)
    assert before
    assert before.tier == tier
    storage.renew(before)
    after = blob.get_blob_properties()
    assert (after.blob_tier, bool(after.blob_tier_inferred)) == (tier, False)


@pytest.mark.refused("OutOfRangeInput")
def test_what_one_call_is_refused_is_an_error_of_that_call(container: ContainerClient, storage: AzureStorage) -> None:
    container.upload_blob(NAME, b"x")
    with pytest.raises(OperateError, match="answered with an error: 400 OutOfRangeInput "):
        storage.find("x" * 2000)
    assert storage.find(NAME)


def test_a_blob_that_was_overwritten_or_deleted_is_not_renewed(
    container: ContainerClient, storage: AzureStorage
) -> None:
    blob = container.get_blob_client(NAME)
    blob.upload_blob(b"old")
    before = storage.find(NAME)
    assert before
    blob.upload_blob(b"new", overwrite=True)
    overwritten = storage.find(NAME)
    with pytest.raises(OverwrittenError):
        storage.renew(before)
    assert storage.find(NAME) == overwritten
    blob.delete_blob()
    with pytest.raises(OverwrittenError):
        storage.renew(before)
    assert storage.find(NAME) is None


def test_a_leased_blob_is_told_as_held_and_not_as_overwritten(
    container: ContainerClient, storage: AzureStorage
) -> None:
    blob = container.get_blob_client(NAME)
    blob.upload_blob(b"old")
    lease = blob.acquire_lease(-1)
    found = storage.find(NAME)
    assert found
    assert found.held
    assert "infinite duration" in found.held
    assert [each.held for each in storage.list(NAME)] == [found.held]
    with pytest.raises(OperateError, match=r"cannot become a new version: .*lease break .*Then 'retry' it") as refusal:
        storage.renew(found)
    assert not isinstance(refusal.value, OverwrittenError)
    lease.break_lease(0)
    found = storage.find(NAME)
    assert found
    assert found.held is None
    storage.renew(found)


@pytest.mark.parametrize("code", ["BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy"])
def test_an_input_that_must_stay_as_it_is_cannot_be_renewed_and_says_why(
    container: ContainerClient, storage: AzureStorage, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    container.upload_blob(NAME, b"old")
    found = storage.find(NAME)
    assert found
    error = ResourceExistsError(message="It is immutable.")
    error.error_code = code  # type: ignore[attr-defined]
    monkeypatch.setattr(BlobClient, "start_copy_from_url", Mock(side_effect=error))
    with pytest.raises(OperateError, match=rf"cannot become a new version: .*\({code}\)"):
        storage.renew(found)


def test_a_hold_that_is_a_blob_s_own_shows_when_it_is_looked_at(
    container: ContainerClient, storage: AzureStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.upload_blob(NAME, b"old")
    properties = container.get_blob_client(NAME).get_blob_properties()
    monkeypatch.setattr(BlobClient, "get_blob_properties", lambda _: properties)

    def held() -> str:
        found = storage.find(NAME)
        assert found
        return found.held or ""

    assert held() == ""
    properties.immutability_policy.expiry_time = datetime.now(UTC) - timedelta(days=1)
    assert held() == ""
    properties.immutability_policy.expiry_time = datetime.now(UTC) + timedelta(days=1)
    assert "BlobImmutableDueToPolicy" in held()
    properties.has_legal_hold = True
    assert "BlobImmutableDueToLegalHold" in held()


def test_blobs_are_listed_with_metadata_and_read_as_text(container: ContainerClient, storage: AzureStorage) -> None:
    container.upload_blob("outgoing/a/receipt.json", "ü".encode(), metadata={"input_etag": "0x1"})
    container.upload_blob("incoming/a", b"")
    (listed,) = storage.list("outgoing/")
    assert listed == storage.find("outgoing/a/receipt.json")
    assert listed.metadata == {"input_etag": "0x1"}
    assert listed.modified > OLD
    assert '"' not in listed.etag
    assert storage.read("outgoing/a/receipt.json") == "ü"
    assert storage.read("outgoing/b/receipt.json") is None


def test_a_queue_is_looked_at_without_taking_anything(connection_string: str, storage: AzureStorage) -> None:
    event = base64.b64encode(json.dumps({"subject": "s"}).encode()).decode()
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        events = queues.get_queue_client("events")
        for _ in range(2):
            events.send_message(event)
        claimed = events.receive_message()
        assert claimed
        peeked = storage.peek("events")
        assert (peeked.texts, peeked.total) == ((event,), 2)
        assert [message.dequeue_count for message in events.peek_messages()] == [0]


def test_a_job_stays_until_it_is_done(connection_string: str, storage: AzureStorage) -> None:
    job = FileJob(etag="0x1", event_id="e", name=NAME, queued_at="", size=1)
    storage.put(job)
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        message = queues.get_queue_client("jobs").receive_message()
        assert message
        assert FileJob.decode(message.content) == job
        assert message.expires_on
        assert message.expires_on.year == 9999


def test_dead_letters_are_read_the_newest_first(connection_string: str, storage: AzureStorage) -> None:
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        letters = blobs.get_container_client(DEAD_LETTER_CONTAINER)
        assert list(storage.dead_letters()) == []
        letters.upload_blob("TOPIC/SUBSCRIPTION/2026/1/31/12/1.json", b"[1]")
        assert list(storage.dead_letters()) == ["[1]"]


def test_an_account_that_does_not_answer_is_told_soon_and_in_a_sentence() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/account"
        text = f"AccountName=account;AccountKey=YQ==;BlobEndpoint={url};QueueEndpoint={url};"
        names = StorageNames(container="files", input_path="incoming", output_path="outgoing")
        with (
            pytest.raises(OperateError, match=r"does not answer: .* Is the local run still there\?"),
            connect(Place(connection_string=text, names=names)) as storage,
        ):
            storage.find("incoming/a")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientAuthenticationError(message="No account."), r"No account\. Run 'az login'\."),
        (HttpResponseError(message="Not authorized.\nRequestId: 1"), "answered with an error: Not authorized.$"),
    ],
)
def test_a_refusal_is_told_with_the_fix(place: Place, error: Exception, text: str) -> None:
    with pytest.raises(OperateError, match=text), connect(place):
        raise error


def test_a_missing_role_is_named(place: Place) -> None:
    error = HttpResponseError(message="This request is not authorized.")
    error.status_code = 403
    with pytest.raises(OperateError, match="You need Storage Blob Data Contributor"), connect(place):
        raise error
