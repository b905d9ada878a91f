"""Microsoft's own Python worker loads, indexes and runs the function's archive, asked as the host asks it."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from filelock import FileLock

from infra.components.function_app import WORKER_THREADS
from infra.components.roles import Role
from infra.local.data.folder import DataFolder
from infra.local.processes.supervisor import Supervisor
from infra.local.processes.waiting import wait_until
from infra.local.services.arm import ArmServer
from infra.local.services.functions import FunctionHost, Site
from infra.local.services.identity import Directory, TokenServer
from infra.packages import function_package as packaging
from infra.packages.function_package import PYTHON_VERSION, function_archive
from pipeline_app.contract import JOBS_QUEUE, STATE_CONTAINER, FileJob
from tests.accounts import running_account
from tests.function.real_worker.gate import Gate, through
from tests.function.real_worker.host import FunctionsHost, WorkerEndedError, base_environment
from tests.local.fakes import Recorder

ACCOUNT = "appstorage1"
CLIENT = "00000000-0000-4000-8000-00000000000c"
CONTAINER = "pipeline-files"
GROUP = (
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.ContainerInstance/containerGroups/worker-1"
)
HOST_JSON = Path(__file__).parents[2] / "function" / "host.json"
PROBE = Path(__file__).with_name("real_worker") / "probe_app.py"
REQUIREMENTS = PROBE.with_name("requirements.txt")
ROOT = Path(__file__).parents[2]
SECONDS = 120


class RunningGroup:
    """A container group that runs already."""

    location = "westeurope"

    def restart(self) -> None:
        raise AssertionError("Nobody restarts a group.")

    def start(self) -> None:
        return None

    def stop(self) -> None:
        return None

    def view(self) -> dict[str, Any]:
        state = {"currentState": {"detailStatus": "", "startTime": "2026-01-01T00:00:00Z", "state": "Running"}}
        container = {"name": "worker", "properties": {"image": "i", "instanceView": state}}
        properties = {
            "containers": [container],
            "instanceView": {"state": "Running"},
            "osType": "Linux",
            "provisioningState": "Succeeded",
        }
        return {"id": GROUP, "location": self.location, "name": "worker-1", "properties": properties}


@pytest.fixture(scope="module")
def python() -> str:
    """Return an interpreter of the Function App's version."""
    if sys.version_info[:2] == tuple(map(int, PYTHON_VERSION.split("."))):
        return sys.executable
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{PYTHON_VERSION}.*/bin/python"))
    found = shutil.which(f"python{PYTHON_VERSION}") if not pyenv else str(pyenv[-1])
    if found is None:
        pytest.skip(f"There is no python{PYTHON_VERSION}, which the Function App has. Put one on the PATH.")
    return found


@pytest.fixture(scope="module")
def worker_packages() -> Path:
    """Return a folder with Microsoft's worker and what it needs, for the Function App's Python."""
    build = ROOT / packaging.BUILD_DIRECTORY
    build.mkdir(exist_ok=True)
    with FileLock(build / "function.lock"):
        return packaging._installed_packages(build, REQUIREMENTS)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the content of the function's archive, as the platform mounts it."""
    folder = tmp_path_factory.mktemp("wwwroot")
    with zipfile.ZipFile(function_archive(ROOT).path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def connection_string(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a storage account of this module's own, since the function names its queues and containers itself."""
    with running_account(ACCOUNT, tmp_path_factory.mktemp("storage")) as account:
        yield account.connection_string


@pytest.fixture(scope="module")
def settings(connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve all that the function reaches; return its settings."""
    directory = Directory()
    directory.add_identity(CLIENT, "principal")
    directory.add_role("principal", GROUP, Role.CONTAINER_INSTANCES_CONTRIBUTOR.value)
    authority_file = tmp_path_factory.mktemp("authority") / "ca.pem"
    arm = ArmServer(directory, {GROUP.lower(): RunningGroup()}, authority_file)
    tokens = TokenServer(directory)
    threads = [threading.Thread(target=each.serve_forever, args=(0.01,)) for each in (arm, tokens)]
    for thread in threads:
        thread.start()
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        for name in (CONTAINER, STATE_CONTAINER):
            blobs.create_container(name)
    with QueueClient.from_connection_string(connection_string, JOBS_QUEUE) as jobs:
        jobs.create_queue()
    with QueueClient.from_connection_string(connection_string, "events") as events:
        events.create_queue()
    yield {
        "APP_CONTAINER_GROUP_IDS": GROUP,
        "APP_STORAGE_CONNECTION": connection_string,
        "APP_STORAGE_CONTAINER": CONTAINER,
        "APP_STORAGE_INPUT_PATH": "incoming",
        "APP_STORAGE_OUTPUT_PATH": "outgoing",
        "APP_SWEEP_SCHEDULE": "0 * * * * *",
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_RESOURCE_MANAGER_ENDPOINT": arm.url,
        "IDENTITY_ENDPOINT": tokens.url,
        "IDENTITY_HEADER": directory.add_site({CLIENT}),
        "REQUESTS_CA_BUNDLE": str(authority_file),
    }
    for server in (arm, tokens):
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


class Hosts:
    """Makes hosts that are ended with the test."""

    def __init__(self, python: str, packages: Path, folder: Path) -> None:
        self.made: list[FunctionsHost] = []
        self._folder = folder
        self._packages = packages
        self._python = python

    def start(self, app: Path, settings: dict[str, str], mode: str = "started") -> FunctionsHost:
        """Start a worker for an app, or let one that waits for any app become its own; index its functions."""
        placeholder = self._folder / "placeholder"
        placeholder.mkdir(exist_ok=True)
        base = base_environment()
        environment = base | ({"WEBSITE_PLACEHOLDER_MODE": "1"} if mode == "specialized" else settings)
        log = self._folder / f"worker-{len(self.made)}.log"
        host = FunctionsHost(self._python, self._packages, app, environment, log)
        self.made.append(host)
        answers = [host.init(placeholder if mode == "specialized" else app)]
        if mode == "specialized":
            answers.append(host.specialize(base | settings))
        answers.append(host.index())
        for answer in answers:
            assert host.succeeded(answer), answer
        return host


@pytest.fixture
def hosts(python: str, worker_packages: Path, tmp_path: Path) -> Iterator[Hosts]:
    """Return what starts hosts."""
    made = Hosts(python, worker_packages, tmp_path)
    yield made
    for host in made.made:
        host.close()


@pytest.fixture
def jobs(connection_string: str, settings: dict[str, str]) -> Iterator[QueueClient]:
    """Return the empty queue of jobs."""
    with QueueClient.from_connection_string(connection_string, JOBS_QUEUE) as queue:
        queue.clear_messages()
        yield queue


def event(name: str) -> str:
    """Return an event of a finished upload, as Event Grid writes it."""
    topic = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
    data = {
        "api": "PutBlob",
        "blobType": "BlockBlob",
        "contentLength": 3,
        "eTag": "0x8DD000000000001",
        "url": f"https://{ACCOUNT}.blob.core.windows.net/{CONTAINER}/{name}",
    }
    return json.dumps(
        {
            "data": data,
            "dataVersion": "",
            "eventTime": "2026-01-31T12:00:00.0000000Z",
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": "831e1650-001e-001b-66ab-eeb76e069631",
            "metadataVersion": "1",
            "subject": f"/blobServices/default/containers/{CONTAINER}/blobs/{name}",
            "topic": topic,
        }
    )


def job_names(jobs: QueueClient) -> list[str]:
    """Take all jobs off the queue; return the names of their inputs."""
    return sorted(FileJob.decode(each.content).name for each in jobs.receive_messages(messages_per_page=32))


def told(path: Path) -> dict[str, Any]:
    """Wait for what a function was given; return it."""
    assert wait_until(path.exists, seconds=60)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_local_host_gives_a_function_what_the_real_worker_gives_it(
    hosts: Hosts, connection_string: str, tmp_path: Path
) -> None:
    root = tmp_path / "probe"
    root.mkdir()
    shutil.copy(PROBE, root / "function_app.py")
    shutil.copy(HOST_JSON, root)
    settings = {"APP_STORAGE_CONNECTION": connection_string}
    # Not all of it is text.
    body = b"\xc3\xa4\xff"
    real = hosts.start(root, settings | {"PROBE_FILE": str(tmp_path / "real-")})
    for _, future in (real.deliver("take", body.decode(errors="replace")), real.tick("tick")):
        assert real.succeeded(future.result(SECONDS))
    data = DataFolder(tmp_path / "data")
    supervisor = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
    with QueueClient.from_connection_string(connection_string, "probe") as queue:
        queue.create_queue()
        queue.send_message(base64.b64encode(body).decode(), time_to_live=-1)
        try:
            site = Site(client_ids=frozenset(), name="s", settings=settings | {"PROBE_FILE": str(tmp_path / "local-")})
            FunctionHost(site, root, data, Recorder(), lambda *_: None, lambda _: None).start(supervisor)
            for function in ("take", "tick"):
                assert told(tmp_path / f"local-{function}.done") == told(tmp_path / f"real-{function}.done")
        finally:
            supervisor.close()
            data.release()
    assert told(tmp_path / "real-take.done")["count"] == 1


@pytest.mark.parametrize("mode", ["started", "specialized"])
def test_the_worker_indexes_and_runs_the_archive(
    hosts: Hosts, app: Path, settings: dict[str, str], jobs: QueueClient, connection_string: str, mode: str
) -> None:
    host = hosts.start(app, settings, mode)
    found = {name: json.loads(each.raw_bindings[0]) for name, each in host.functions.items()}
    assert {name: each["type"] for name, each in found.items()} == {"dispatch": "queueTrigger", "sweep": "timerTrigger"}
    assert (found["dispatch"]["queueName"], found["dispatch"]["connection"]) == ("events", "APP_STORAGE_CONNECTION")
    assert found["sweep"]["schedule"] == "%APP_SWEEP_SCHEDULE%"

    answer = host.deliver("dispatch", event("incoming/ünï côde.csv"))[1].result(SECONDS)
    assert host.succeeded(answer), answer
    assert job_names(jobs) == ["incoming/ünï côde.csv"]
    answer = host.deliver("dispatch", "no event at all")[1].result(SECONDS)
    assert host.succeeded(answer), answer
    assert job_names(jobs) == []

    answer = host.tick("sweep")[1].result(SECONDS)
    assert host.succeeded(answer), answer
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        assert blobs.get_blob_client(STATE_CONTAINER, "sweep.json").exists()


def test_what_fails_is_told_to_the_host_so_that_the_event_comes_again(
    hosts: Hosts, app: Path, settings: dict[str, str]
) -> None:
    host = hosts.start(app, settings | {"APP_STORAGE_CONTAINER": ""})
    answer = host.deliver("dispatch", event("incoming/a.csv"))[1].result(SECONDS)
    assert not host.succeeded(answer)
    assert "APP_STORAGE_CONTAINER" in answer.result.exception.message


def at_once() -> int:
    """Return how many messages the host hands to one worker at a time."""
    queues = json.loads(HOST_JSON.read_text(encoding="utf-8"))["extensions"]["queues"]
    return int(queues["batchSize"]) + int(queues["newBatchThreshold"])


@pytest.fixture
def gate(connection_string: str) -> Iterator[Gate]:
    """Serve the queues behind a gate that opens for as many as the host sends at a time."""
    parts = dict(part.partition("=")[::2] for part in connection_string.split(";") if part)
    with Gate(int(parts["QueueEndpoint"].split(":")[2].split("/")[0]), at_once()) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.opened.set()
        made.shutdown()
        thread.join()


def test_all_that_the_host_hands_over_at_a_time_runs_at_that_time(
    hosts: Hosts, app: Path, settings: dict[str, str], jobs: QueueClient, gate: Gate
) -> None:
    connection = through(gate, settings["APP_STORAGE_CONNECTION"])
    threads = {"PYTHON_THREADPOOL_THREAD_COUNT": str(WORKER_THREADS)}
    host = hosts.start(app, settings | threads | {"APP_STORAGE_CONNECTION": connection})
    names = [f"incoming/{number:02}.csv" for number in range(at_once())]
    running = [host.deliver("dispatch", event(name)) for name in names]
    assert gate.opened.wait(SECONDS)
    for _, future in running:
        assert host.succeeded(future.result(SECONDS))
    assert job_names(jobs) == names


def test_a_cancelled_invocation_goes_on_and_one_whose_worker_is_killed_is_done_by_the_next(
    hosts: Hosts, app: Path, settings: dict[str, str], jobs: QueueClient, gate: Gate
) -> None:
    connection = through(gate, settings["APP_STORAGE_CONNECTION"])
    host = hosts.start(app, settings | {"APP_STORAGE_CONNECTION": connection})
    invocation, future = host.deliver("dispatch", event("incoming/a.csv"))
    assert gate.arrived.acquire(timeout=SECONDS)
    host.cancel(invocation)
    # The worker knows no cancellation, so whatever is asked of it next is answered, and the invocation goes on.
    assert host.succeeded(host.index())
    assert not future.done()
    host.kill()
    with pytest.raises(WorkerEndedError):
        future.result(SECONDS)
    gate.opened.set()
    host = hosts.start(app, settings)
    answer = host.deliver("dispatch", event("incoming/a.csv"), dequeue_count=2)[1].result(SECONDS)
    assert host.succeeded(answer), answer
    assert set(job_names(jobs)) == {"incoming/a.csv"}
