"""Event Grid: what is an upload, which subscription wants it, and how it gets there."""

from __future__ import annotations

import base64
import errno
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient

from infra.local.services.azurite import Access, StorageAccount
from infra.local.services.blob_events import upload_of
from infra.local.services.event_grid import EventGrid
from infra.local.services.event_subscription import Filter, Subscription, UnsupportedSubscriptionError
from infra.local.services.journal import MARGIN, Journal
from tests.local.fakes import Eventually, Recorder

NUMBERS = count()
TOPIC = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/testaccount"


@pytest.mark.parametrize(
    ("method", "query", "status", "api"),
    [
        ("PUT", {}, 201, "PutBlob"),
        ("PUT", {"se": "2030", "sv": "x"}, 201, "PutBlob"),
        ("PUT", {"comp": "blocklist"}, 201, "PutBlockList"),
        ("PUT", {}, 202, "CopyBlob"),
        ("PUT", {}, 403, None),
        ("PUT", {}, 412, None),
        ("PUT", {"comp": "block", "blockid": "x"}, 201, None),
        ("PUT", {"comp": "lease"}, 201, None),
        ("PUT", {"comp": "metadata"}, 200, None),
        ("PUT", {"comp": "snapshot"}, 201, None),
        ("PUT", {"restype": "container"}, 201, None),
        ("DELETE", {}, 202, None),
        ("GET", {}, 200, None),
    ],
)
def test_only_requests_that_leave_a_complete_blob_are_uploads(
    method: str, query: dict[str, str], status: int, api: str | None
) -> None:
    expected = ("c", "in/x.csv", api) if api else None
    assert upload_of(Access(method, "account/c/in/x.csv", query, status)) == expected


@pytest.mark.parametrize("path", ["account/queue", "account/queue/", "account"])
def test_what_is_no_blob_is_no_upload(path: str) -> None:
    assert upload_of(Access("PUT", path, {}, 201)) is None


def event(**changes: Any) -> dict[str, Any]:
    return {
        "data": {"api": "PutBlob"},
        "eventType": "Microsoft.Storage.BlobCreated",
        "subject": "/blobServices/default/containers/c/blobs/in/x.csv",
    } | changes


def test_filters_mean_what_azure_says() -> None:
    prefix = "/blobServices/default/containers/c/blobs/in/"
    apis = {"key": "data.api", "operatorType": "StringIn", "values": ["PutBlob", "PutBlockList"]}
    declared = {"includedEventTypes": ["Microsoft.Storage.BlobCreated"], "subjectBeginsWith": prefix}
    chosen = Filter.read(declared | {"advancedFilters": [apis], "isSubjectCaseSensitive": True})
    assert chosen.wants(event())
    assert chosen.wants(event(data={"api": "putblob"}))
    assert not chosen.wants(event(data={"api": "CreateFile"}))
    assert not chosen.wants(event(data={}))
    assert not chosen.wants(event(eventType="Microsoft.Storage.BlobDeleted"))
    assert not chosen.wants(event(subject=prefix.replace("/in/", "/out/") + "x"))
    assert not chosen.wants(event(subject=(prefix + "x").upper()))
    assert Filter.read(declared).wants(event(subject=(prefix + "x").upper()))
    assert not Filter.read({"subjectEndsWith": ".csv"}).wants(event(subject="a.txt"))
    assert Filter.read({}).wants(event())


def test_a_filter_that_is_not_known_here_is_an_error() -> None:
    with pytest.raises(UnsupportedSubscriptionError, match="NumberIn"):
        Filter.read({"advancedFilters": [{"key": "data.contentLength", "operatorType": "NumberIn", "values": [1]}]})


def unwritable(error: OSError) -> None:
    """Fail where nothing should be wrong with the disk."""
    raise AssertionError from error


@pytest.fixture
def grid(tmp_path: Path, watcher: Recorder) -> Iterator[EventGrid]:
    made = EventGrid(watcher, tmp_path / "journal", unwritable)
    yield made
    made.close()


@pytest.fixture
def names(account: StorageAccount) -> tuple[str, str]:
    """A container and a queue of the test's own; the queue is not made yet."""
    name = f"test-{next(NUMBERS)}"
    with BlobServiceClient.from_connection_string(account.connection_string) as service:
        service.create_container(name)
    return name, name


def subscription(account: StorageAccount, names: tuple[str, str], **changes: Any) -> Subscription:
    container, queue = names
    values = {
        "dead_letters": None,
        "filter": Filter(begins_with=f"/blobServices/default/containers/{container}/blobs/in/"),
        "max_attempts": 30,
        "max_minutes": 60,
        "name": "to-queue",
        "queue": (account, queue),
        "time_to_live": -1,
        "topic": TOPIC,
    }
    return Subscription(**(values | changes))


def received(account: StorageAccount, queue_name: str) -> list[dict[str, Any]]:
    with QueueClient.from_connection_string(account.connection_string, queue_name) as queue:
        return [json.loads(base64.b64decode(message.content)) for message in queue.peek_messages(32)]


def make_queue(account: StorageAccount, name: str) -> None:
    with QueueClient.from_connection_string(account.connection_string, name) as queue:
        queue.create_queue()


def test_an_upload_arrives_in_the_schema_of_azure(
    account: StorageAccount, eventually: Eventually, grid: EventGrid, names: tuple[str, str], watcher: Recorder
) -> None:
    container, queue = names
    make_queue(account, queue)
    grid.subscribe(account, subscription(account, names))
    name = "in/ü %2F #+\"'.csv"
    with ContainerClient.from_connection_string(account.connection_string, container) as client:
        client.upload_blob("elsewhere/x", b"not wanted")
        answer = client.get_blob_client(name).upload_blob(b"1234")
    eventually(lambda: len(received(account, queue)) == 1)
    (arrived,) = received(account, queue)
    data = arrived["data"]
    assert arrived["subject"] == f"/blobServices/default/containers/{container}/blobs/{name}"
    assert arrived["topic"] == TOPIC
    assert arrived["eventType"] == "Microsoft.Storage.BlobCreated"
    assert datetime.fromisoformat(arrived["eventTime"]).tzinfo
    assert data["api"] == "PutBlob"
    assert data["eTag"] == answer["etag"].strip('"')
    assert data["contentLength"] == 4
    assert data["blobType"] == "BlockBlob"
    with BlobClient.from_blob_url(
        data["url"], credential={"account_name": account.name, "account_key": account.key}
    ) as blob:
        assert blob.blob_name == name
        assert blob.download_blob().readall() == b"1234"
    assert [stage for file, stage in watcher.stages if file == name] == ["uploaded", "event"]


def test_blocks_and_copies_raise_one_event_each(
    account: StorageAccount, eventually: Eventually, grid: EventGrid, names: tuple[str, str]
) -> None:
    container, queue = names
    make_queue(account, queue)
    grid.subscribe(account, subscription(account, names))
    with ContainerClient.from_connection_string(
        account.connection_string, container, max_block_size=4, max_single_put_size=4
    ) as client:
        blocks = client.get_blob_client("in/blocks")
        blocks.upload_blob(b"123456789")
        eventually(lambda: len(received(account, queue)) == 1)
        client.get_blob_client("in/copy").start_copy_from_url(blocks.url)
    eventually(lambda: len(received(account, queue)) == 2)
    assert [item["data"]["api"] for item in received(account, queue)] == ["PutBlockList", "CopyBlob"]


def test_a_queue_that_comes_late_still_gets_its_events(
    account: StorageAccount, eventually: Eventually, grid: EventGrid, names: tuple[str, str]
) -> None:
    container, queue = names
    grid.subscribe(account, subscription(account, names))
    with ContainerClient.from_connection_string(account.connection_string, container) as client:
        client.upload_blob("in/x", b"")
    make_queue(account, queue)
    eventually(lambda: len(received(account, queue)) == 1)


def test_an_event_that_cannot_be_delivered_is_dead_lettered_with_the_reason(
    account: StorageAccount, eventually: Eventually, grid: EventGrid, names: tuple[str, str], watcher: Recorder
) -> None:
    container, _ = names
    declared = subscription(account, names, dead_letters=(account, container), max_attempts=2)
    grid.subscribe(account, declared)
    with ContainerClient.from_connection_string(account.connection_string, container) as client:
        client.upload_blob("in/x", b"")
        eventually(lambda: len(list(client.list_blobs(name_starts_with="TESTACCOUNT/TO-QUEUE/"))) == 1)
        (letter,) = client.list_blobs(name_starts_with="TESTACCOUNT/TO-QUEUE/")
        (record,) = json.loads(client.download_blob(letter.name).readall())
    assert record["deadLetterReason"] == "MaxDeliveryAttemptsExceeded"
    assert record["deliveryAttempts"] == 2
    assert record["subject"].endswith("/in/x")
    eventually(lambda: any("'in/x' is dead-lettered" in text for _, text in watcher.warnings))


def test_uploads_that_a_killed_run_did_not_deliver_are_delivered_by_the_next(
    account: StorageAccount, eventually: Eventually, names: tuple[str, str], tmp_path: Path, watcher: Recorder
) -> None:
    container, queue = names
    make_queue(account, queue)
    journal = tmp_path / "journal"
    with ContainerClient.from_connection_string(account.connection_string, container) as client:
        client.upload_blob("in/long ago", b"")
        time.sleep(1.1)
        journal.write_text((datetime.now(UTC) + MARGIN).isoformat())
        client.upload_blob("in/unseen", b"")
        client.upload_blob("out/unseen", b"")
    grid = EventGrid(watcher, journal, unwritable)
    grid.subscribe(account, subscription(account, names))
    eventually(lambda: len(received(account, queue)) == 1)
    grid.close()
    assert [event["subject"].rsplit("/", 1)[1] for event in received(account, queue)] == ["unseen"]


def test_the_journal_does_not_pass_an_event_that_is_still_on_its_way(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", unwritable)
    assert journal.since() is None
    first, second = journal.begin(), journal.begin()
    time.sleep(1.1)
    between = datetime.now(UTC)
    journal.end(second)
    since = journal.since()
    assert since is not None
    assert since < between.replace(microsecond=0) - MARGIN
    journal.end(first)
    since = journal.since()
    assert since is not None
    assert since >= between.replace(microsecond=0) - MARGIN


def test_a_moment_that_a_full_disk_does_not_take_is_told_and_the_last_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[OSError] = []
    journal = Journal(tmp_path / "journal", told.append)
    journal.end(journal.begin())
    before = journal.since()
    monkeypatch.setattr("infra.local.services.journal.write_private", full)
    journal.end(journal.begin())
    assert [error.errno for error in told] == [errno.ENOSPC]
    assert journal.since() == before


def full(path: Path, text: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(path))
