"""What a dispatch and a sweep do to storage and runners."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_function import handlers
from pipeline_function.handlers import GRACE, MAX_JOBS_PER_SWEEP, Backlog, InputBlob, Services
from tests.function.fakes import FakeStorage

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
OLD = MOMENT - GRACE
EVENT = {
    "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/appstorage1",
    "subject": "/blobServices/default/containers/pipeline-files/blobs/incoming/a.csv",
    "eventType": "Microsoft.Storage.BlobCreated",
    "id": "event-1",
    "data": {"api": "PutBlob", "contentLength": 3, "eTag": "0x1"},
}


def blob(name: str, etag: str = "0x1", modified: datetime = OLD) -> InputBlob:
    return InputBlob(etag=etag, modified=modified, name=name, size=7)


def test_a_dispatch_queues_the_job_before_it_looks_for_a_runner(services: Services, storage: FakeStorage) -> None:
    handlers.dispatch(json.dumps(EVENT).encode(), services)
    assert storage.calls == ["put", "ensure_running"]
    assert [(job.name, job.etag, job.event_id) for job in storage.jobs] == [("incoming/a.csv", "0x1", "event-1")]


def test_an_ignored_event_touches_nothing_and_says_why(
    services: Services, storage: FakeStorage, caplog: pytest.LogCaptureFixture
) -> None:
    handlers.dispatch(b"\xff not an event", services)
    assert storage.calls == []
    assert [(record.levelno, "not JSON" in record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, True)
    ]


def test_a_storage_fault_reaches_the_host_so_that_the_event_comes_back(
    services: Services, storage: FakeStorage
) -> None:
    storage.fault = OSError("503 Server Busy")
    with pytest.raises(OSError, match="503"):
        handlers.dispatch(json.dumps(EVENT).encode(), services)
    assert "ensure_running" not in storage.calls


def test_a_backlog_without_messages_in_sight_gets_a_runner_and_no_listing(
    services: Services, storage: FakeStorage
) -> None:
    storage.count = Backlog(events=0, jobs=1)
    storage.blobs = [blob("incoming/a.csv")]
    handlers.sweep(services, MOMENT)
    assert storage.calls == ["backlog", "ensure_running"]


def test_every_sweep_tells_the_backlog_on_one_line(
    services: Services, storage: FakeStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for count in (Backlog(events=0, jobs=0), Backlog(events=3, jobs=0), Backlog(events=2, jobs=1501)):
        storage.count = count
        handlers.sweep(services, MOMENT)
    assert [record.getMessage() for record in caplog.records if "Backlog" in record.getMessage()] == [
        "Backlog: events=0 jobs=0.",
        "Backlog: events=3 jobs=0.",
        "Backlog: events=2 jobs=1501.",
    ]


def test_events_in_progress_keep_a_sweep_from_queueing_their_files_twice(
    services: Services, storage: FakeStorage
) -> None:
    storage.count = Backlog(events=1, jobs=0)
    storage.blobs = [blob("incoming/a.csv")]
    handlers.sweep(services, MOMENT)
    assert storage.calls == ["backlog"]


def test_a_sweep_queues_exactly_the_inputs_without_a_receipt_for_their_version(
    services: Services, storage: FakeStorage
) -> None:
    storage.blobs = [
        blob("incoming/done.csv", "0x1"),
        blob("incoming/fresh.csv", modified=MOMENT - GRACE + timedelta(seconds=1)),
        blob("incoming/lost.csv"),
        blob("incoming/overwritten.csv", "0x2"),
        blob("incoming/" + "x" * 1000, "0x3"),
        blob("incoming/" + "y" * 1000, "0x4"),
    ]
    storage.written = [
        ("outgoing/done.csv/receipt.json", "0x1"),
        ("outgoing/lost.csv/sub/receipt.json", "0x1"),
        ("outgoing/overwritten.csv/receipt.json", "0x1"),
        (services.names.receipt_name("incoming/" + "x" * 1000), "0x3"),
    ]
    handlers.sweep(services, MOMENT)
    assert [(job.name, job.etag, job.size) for job in storage.jobs] == [
        ("incoming/lost.csv", "0x1", 7),
        ("incoming/overwritten.csv", "0x2", 7),
        ("incoming/" + "y" * 1000, "0x4", 7),
    ]
    assert all(job.event_id.startswith("sweep-") for job in storage.jobs)
    assert len({job.event_id for job in storage.jobs}) == 3
    assert storage.calls[-1] == "ensure_running"


def test_receipts_are_listed_before_inputs_so_that_a_file_uploaded_in_between_is_young(
    services: Services, storage: FakeStorage
) -> None:
    handlers.sweep(services, MOMENT)
    assert storage.calls == ["backlog", "receipts", "inputs"]


def test_a_sweep_that_finds_nothing_starts_nothing(services: Services, storage: FakeStorage) -> None:
    storage.blobs = [blob("incoming/done.csv")]
    storage.written = [("outgoing/done.csv/receipt.json", "0x1")]
    handlers.sweep(services, MOMENT)
    assert storage.jobs == []
    assert "ensure_running" not in storage.calls


def test_one_sweep_queues_a_bounded_number_of_jobs(services: Services, storage: FakeStorage) -> None:
    storage.blobs = [blob(f"incoming/{number}.csv") for number in range(MAX_JOBS_PER_SWEEP + 1)]
    handlers.sweep(services, MOMENT)
    assert len(storage.jobs) == MAX_JOBS_PER_SWEEP
    assert storage.calls.count("ensure_running") == 1
