"""What a dispatch does to storage and runners."""

from __future__ import annotations

import json
import logging

import pytest

from pipeline_app.rest.endpoint import StorageUnreachable
from pipeline_function import handlers
from pipeline_function.runners import RunnersUnavailable
from pipeline_function.services import Services
from pipeline_function.wakeups import WAKE_UP
from tests.function.fakes import MOMENT
from tests.memory.function import MemoryStorage, refuse_jobs

EVENT = {
    "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/appstorage1",
    "subject": "/blobServices/default/containers/pipeline-files/blobs/incoming/a.csv",
    "eventType": "Microsoft.Storage.BlobCreated",
    "id": "event-1",
    "data": {"api": "PutBlob", "contentLength": 3, "eTag": "0x1"},
}


def test_a_dispatch_queues_the_job_before_it_looks_for_a_runner(services: Services, storage: MemoryStorage) -> None:
    handlers.dispatch(json.dumps(EVENT).encode(), services)
    assert storage.calls == ["put", "job_was_put"]
    assert [(job.name, job.etag, job.event_id) for job in storage.jobs] == [("incoming/a.csv", "0x1", "event-1")]


def test_an_ignored_event_touches_nothing_and_says_why(
    services: Services, storage: MemoryStorage, caplog: pytest.LogCaptureFixture
) -> None:
    handlers.dispatch(b"\xff not an event", services)
    assert storage.calls == []
    assert [(record.levelno, "not JSON" in record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, True)
    ]


@pytest.mark.parametrize(("folder", "calls"), [(True, ["is_folder"]), (False, ["is_folder", "put", "job_was_put"])])
def test_an_empty_blob_is_a_job_unless_its_metadata_mark_a_folder(
    services: Services, storage: MemoryStorage, folder: bool, calls: list[str]
) -> None:
    metadata = {"hdi_isfolder": "true"} if folder else {}
    storage.memory.upload("pipeline-files/incoming/a.csv", b"", metadata)
    handlers.dispatch(json.dumps({**EVENT, "data": {**EVENT["data"], "contentLength": 0}}).encode(), services)  # type: ignore[dict-item]
    assert storage.calls == calls


def test_a_storage_fault_reaches_the_host_so_that_the_event_comes_back(
    services: Services, storage: MemoryStorage
) -> None:
    storage.memory.before = refuse_jobs
    with pytest.raises(StorageUnreachable, match="503"):
        handlers.dispatch(json.dumps(EVENT).encode(), services)
    assert "job_was_put" not in storage.calls


@pytest.mark.parametrize(("jobs", "calls"), [(0, ["job_count"]), (1, ["job_count", "jobs_are_there"])])
def test_a_wake_up_is_passed_on_while_there_are_jobs(
    services: Services, storage: MemoryStorage, caplog: pytest.LogCaptureFixture, jobs: int, calls: list[str]
) -> None:
    storage.wait(MOMENT, jobs=jobs)
    handlers.dispatch(WAKE_UP, services)
    assert storage.calls == calls
    assert not caplog.records


def test_a_wake_up_is_passed_on_where_the_jobs_cannot_be_counted(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> int:
        raise RunnersUnavailable("Could not count the jobs (HTTP 403).")

    monkeypatch.setattr(storage, "job_count", refused)
    handlers.dispatch(WAKE_UP, services)
    assert storage.calls == ["jobs_are_there"]
