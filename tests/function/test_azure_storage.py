"""Storage through the real SDK against Azurite, and the services of a process from its settings alone."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import EVENTS_QUEUE, JOBS_QUEUE, STATE_CONTAINER, FileJob, StorageConnection
from pipeline_app.rest.endpoint import StorageError
from pipeline_function import azure, handlers, listings, sweeping
from pipeline_function.azure import STATE_PATH, AzureStorage
from pipeline_function.events import Ignored, job_of_event
from pipeline_function.services import InputBlob, Progress, Services
from pipeline_function.settings import Settings
from pipeline_function.wakeups import WAKE_UP
from tests.function.fakes import Arm, FakeWakeUps, group_id
from tests.memory.function import ACCOUNT, NAMES
from tests.rest.scripted import Act, Service, reply, serving

JOB = FileJob(etag="0x1", event_id="e", name="incoming/<ü> & \U0001f600.csv", queued_at="2026-01-01T00:00:00Z", size=1)


@pytest.fixture
def settings(connection_string: str) -> Settings:
    environment = {
        "APP_CONTAINER_GROUP_IDS": group_id(),
        "APP_STORAGE_CONNECTION": connection_string,
        "APP_STORAGE_CONTAINER": NAMES.container,
        "APP_STORAGE_INPUT_PATH": NAMES.input_path,
        "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
        "AZURE_CLIENT_ID": "starter",
    }
    return Settings.from_environment(environment)


@pytest.fixture
def storage(settings: Settings) -> Iterator[AzureStorage]:
    with closing(AzureStorage.connect(settings)) as storage:
        yield storage


@pytest.fixture
def jobs(connection_string: str) -> Iterator[QueueClient]:
    """Return the empty jobs queue; there is an empty events queue too."""
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        for name in (EVENTS_QUEUE, JOBS_QUEUE):
            queues.create_queue(name)
        yield queues.get_queue_client(JOBS_QUEUE)
        for name in (EVENTS_QUEUE, JOBS_QUEUE):
            queues.delete_queue(name)


@pytest.fixture
def container(connection_string: str) -> Iterator[ContainerClient]:
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        client = blobs.create_container(NAMES.container)
        state = blobs.create_container(STATE_CONTAINER)
        yield client
        client.delete_container()
        state.delete_container()


def swept(storage: AzureStorage, grace: timedelta) -> Services:
    return Services(grace=grace, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=FakeWakeUps())


def test_a_job_goes_through_the_queue_unchanged_and_never_expires(storage: AzureStorage, jobs: QueueClient) -> None:
    storage.put(JOB)
    message = jobs.receive_message()
    assert message is not None
    assert FileJob.decode(message.content) == JOB
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


@pytest.mark.parametrize("seconds", [-1, 15])
def test_a_lease_on_what_the_sweep_remembers_is_broken(
    storage: AzureStorage, container: ContainerClient, connection_string: str, seconds: int
) -> None:
    storage.save_state("first")
    folder, _, name = STATE_PATH.partition("/")
    with BlobClient.from_connection_string(connection_string, folder, name) as blob:
        blob.acquire_lease(seconds)
    storage.save_state("second")
    assert storage.load_state() == "second"


def test_a_wake_up_is_an_event_that_is_there_later_and_never_expires(
    storage: AzureStorage, jobs: QueueClient, connection_string: str
) -> None:
    assert jobs
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        events = queues.get_queue_client(EVENTS_QUEUE)
        storage.put_wake_up(600)
        assert events.receive_message() is None
        assert events.get_queue_properties().approximate_message_count == 1
        storage.put_wake_up(0)
        message = events.receive_message()
    assert message is not None
    assert base64.b64decode(message.content, validate=True) == WAKE_UP
    assert message.expires_on is not None
    assert message.expires_on.year == 9999
    assert isinstance(job_of_event(WAKE_UP, NAMES, ACCOUNT), Ignored)


def test_messages_in_progress_count_as_backlog_and_do_not_wait(storage: AzureStorage, jobs: QueueClient) -> None:
    empty = storage.backlog()
    assert (empty.events, empty.jobs, empty.oldest) == (0, 0, None)
    assert abs(datetime.now(UTC) - empty.moment) < timedelta(minutes=1)
    storage.put(JOB)
    waiting = storage.backlog()
    assert (waiting.events, waiting.jobs) == (0, 1)
    assert waiting.oldest is not None
    assert abs(waiting.moment - waiting.oldest) < timedelta(minutes=1)
    assert jobs.receive_message(visibility_timeout=60) is not None
    taken = storage.backlog()
    assert (taken.jobs, taken.oldest) == (1, None)


def test_a_sweep_finds_the_inputs_without_a_receipt_for_their_version(
    storage: AzureStorage, jobs: QueueClient, container: ContainerClient
) -> None:
    lost = ["incoming/a b/ü#+%2F.csv", "incoming/changed.csv", f"incoming/{'x' * 1015}"]
    for name in [*lost, "elsewhere/a.csv"]:
        container.upload_blob(name, b"abc")
    done = container.upload_blob("incoming/done.csv", b"abc").get_blob_properties().etag
    for name, etag in (("done.csv", done), ("changed.csv", "0xOLD")):
        container.upload_blob(f"outgoing/{name}/receipt.json", b"{}", metadata={"input_etag": etag.strip('"')})
    # The service tells times in whole seconds.
    services = swept(storage, grace=timedelta(seconds=1))
    time.sleep(2)
    sweeping.sweep(services)
    queued = [FileJob.decode(message.content) for message in jobs.receive_messages()]
    assert sorted((job.name, job.size) for job in queued) == [(name, 3) for name in lost]
    # What it remembers is good for the next one.
    for message in jobs.receive_messages():
        jobs.delete_message(message)
    sweeping.sweep(services)
    assert [job.content for job in jobs.peek_messages()] == []


@pytest.mark.usefixtures("container")
def test_a_young_input_is_left_to_its_event(
    storage: AzureStorage, jobs: QueueClient, container: ContainerClient
) -> None:
    container.upload_blob("incoming/young.csv", b"abc")
    sweeping.sweep(swept(storage, grace=timedelta(minutes=2)))
    assert jobs.receive_message() is None


def test_the_listing_goes_on_where_it_ended(
    storage: AzureStorage, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "INPUTS_PER_PAGE", 2)
    names = [f"incoming/{number}.csv" for number in range(5)]
    for name in names:
        container.upload_blob(name, b"abc")
    found: list[str] = []
    token = None
    for _ in range(3):
        page = storage.inputs(token)
        found += [blob.name for blob in page.blobs]
        token = page.next
    assert (found, token) == (names, None)


@contextmanager
def scripted(settings: Settings, acts: Sequence[Act]) -> Iterator[tuple[AzureStorage, Service]]:
    """Yield storage whose services answer as the test says."""
    with serving(acts) as service:
        url = f"BlobEndpoint=http://127.0.0.1:{service.port}/a;QueueEndpoint=http://127.0.0.1:{service.port}/a"
        connection = StorageConnection(connection_string=f"{url};AccountName=a;AccountKey=a2V5")
        with closing(AzureStorage.connect(replace(settings, connection=connection))) as storage:
            yield storage, service


def test_a_listing_begins_anew_where_its_token_is_refused_and_only_there(settings: Settings) -> None:
    listing = (
        "<EnumerationResults><Blobs><Blob><Name>incoming/a.csv</Name><Properties><Etag>0x1</Etag><Last-Modified>"
        "Tue, 24 Nov 2026 12:00:00 GMT</Last-Modified></Properties></Blob></Blobs><NextMarker/></EnumerationResults>"
    )
    refused = reply(400, b"", "x-ms-error-code: OutOfRangeInput")
    acts = [Act(answer=refused), Act(answer=reply(200, listing.encode())), Act(answer=refused), Act(answer=reply(404))]
    with scripted(settings, acts) as (storage, service):
        assert [blob.name for blob in storage.inputs("token of another time").blobs] == ["incoming/a.csv"]
        assert ["marker=" in seen.url for seen in service.seen] == [True, False]
        with pytest.raises(StorageError, match="OutOfRangeInput"):
            storage.inputs(None)
        with pytest.raises(StorageError, match="404"):
            storage.inputs("a token")


def test_an_event_goes_back_after_three_more_tries(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("pipeline_app.rest.endpoint.time.sleep", waits.append)
    with (
        scripted(settings, [Act(answer=reply(503))] * 5) as (storage, service),
        pytest.raises(StorageError, match="503"),
    ):
        storage.put(JOB)
    assert (len(service.seen), len(waits)) == (4, 3)
    assert sum(waits) < 20


def test_a_container_that_is_missing_is_no_missing_receipt(settings: Settings) -> None:
    blob = InputBlob(etag="0x1", modified=datetime.now(UTC), name="incoming/a.csv", size=3)
    missing = Act(answer=reply(404, b"", "x-ms-error-code: ContainerNotFound"))
    with scripted(settings, [missing]) as (storage, _), pytest.raises(StorageError, match="ContainerNotFound"):
        storage.progress(blob)


def test_the_log_tells_that_a_worker_is_at_an_input_for_as_long_as_it_says(
    storage: AzureStorage, container: ContainerClient
) -> None:
    blob = InputBlob(etag="0x1", modified=datetime.now(UTC), name="incoming/a.csv", size=3)
    assert storage.progress(blob) is Progress.UNKNOWN
    for metadata, expected in (
        ({"claim_seconds": "60", "input_etag": "0x1", "state": "working"}, Progress.WORKING),
        ({"claim_seconds": "60", "input_etag": "0x0", "state": "working"}, Progress.UNKNOWN),
        ({"claim_seconds": "0", "input_etag": "0x1", "state": "working"}, Progress.UNKNOWN),
        ({"state": "committed"}, Progress.UNKNOWN),
    ):
        container.upload_blob("outgoing/a.csv/run.log", b"", metadata=metadata, overwrite=True)
        assert storage.progress(blob) is expected
    container.upload_blob("outgoing/a.csv/receipt.json", b"{}", metadata={"input_etag": "0x1"})
    assert storage.progress(blob) is Progress.DONE


def test_the_settings_alone_lead_from_an_event_to_a_job_and_a_started_group(
    settings: Settings, jobs: QueueClient, arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm.have("group", state="Stopped")
    environment = {
        "APP_CONTAINER_GROUP_IDS": group_id(),
        "APP_STORAGE_CONNECTION": settings.connection.connection_string or "",
        "APP_STORAGE_CONTAINER": NAMES.container,
        "APP_STORAGE_INPUT_PATH": NAMES.input_path,
        "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
        "AZURE_CLIENT_ID": "starter",
        "AZURE_RESOURCE_MANAGER_ENDPOINT": f"{arm.url}/",
        "IDENTITY_ENDPOINT": f"{arm.url}/msi/token",
        "IDENTITY_HEADER": "header",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    event = {
        "topic": f"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
        "subject": f"/blobServices/default/containers/{NAMES.container}/blobs/incoming/a.csv",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": "event-1",
        "data": {"api": "PutBlob", "contentLength": 3, "eTag": "0x1"},
    }
    azure._services.cache_clear()
    try:
        handlers.dispatch(json.dumps(event).encode(), azure.services())
        assert azure.services() is azure.services()
        storage = azure.services().storage
        assert isinstance(storage, AzureStorage)
        storage.close()
    finally:
        azure._services.cache_clear()
    message = jobs.receive_message()
    assert message is not None
    assert FileJob.decode(message.content).name == "incoming/a.csv"
    assert arm.requests == [("GET", "group"), ("start", "group")]
    assert arm.tokens == {f"Bearer starter for {arm.url}"}


def test_the_sweep_leaves_what_stands_for_a_folder_and_queues_an_empty_file(
    storage: AzureStorage, jobs: QueueClient, container: ContainerClient
) -> None:
    for name in ("incoming/a/", "incoming/b_$folder$"):
        container.upload_blob(name, b"")
    for name, metadata in (("c", {"hdi_isfolder": "true"}), ("d", {"Hdi_IsFolder": "True"})):
        container.upload_blob(f"incoming/{name}", b"", metadata=metadata)
    files = {"incoming/empty": {}, "incoming/no": {"hdi_isfolder": "false"}, "incoming/with": {"hdi_isfolder": "true"}}
    for name, metadata in files.items():
        container.upload_blob(name, b"x" if name.endswith("with") else b"", metadata=metadata)
    assert storage.is_folder("incoming/c")
    assert not storage.is_folder("incoming/nothing there")
    services = swept(storage, grace=timedelta(seconds=1))
    time.sleep(2)
    sweeping.sweep(services)
    queued = [FileJob.decode(message.content).name for message in jobs.receive_messages()]
    assert sorted(queued) == sorted(files)
