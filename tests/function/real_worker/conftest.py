"""Microsoft's worker for Python with the archive of the function, between a host of the test's own and Azurite."""

from __future__ import annotations

import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from filelock import FileLock

from infra.components.roles import Role
from infra.local.services.arm import ArmServer
from infra.local.services.identity import Directory, TokenServer
from infra.packages import function_package as packaging
from infra.packages.function_package import PYTHON_VERSION, function_archive
from pipeline_app.contract import JOBS_QUEUE, STATE_CONTAINER
from tests.accounts import running_account
from tests.function.real_worker.setting import (
    ACCOUNT,
    CLIENT,
    CONTAINER,
    GROUP,
    REQUIREMENTS,
    ROOT,
    Hosts,
    RunningGroup,
)


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
