"""What the tests of the local run share: a recording watcher, a supervisor, and a storage account on Azurite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.cloud.machine import AZURITE_FOLDER
from infra.local.commands.run import PROJECT
from infra.local.processes.supervisor import Supervisor
from infra.local.processes.waiting import wait_until
from infra.local.services.azurite import StorageAccount, install
from tests.accounts import running_account
from tests.local.fakes import Eventually, Recorder
from tests.local.runs import Client, Run, client_of, obedient, running


@pytest.fixture
def watcher() -> Recorder:
    """A watcher that keeps what it is told."""
    return Recorder()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A supervisor whose processes end with the test."""
    made = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
    yield made
    made.close()


@pytest.fixture(scope="session")
def azurite_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Azurite, installed in the project's ignored folder as any run does."""
    folder = tmp_path_factory.mktemp("install")
    made = Supervisor(folder / "processes.json", folder / "beacon")
    try:
        return install(made, PROJECT / AZURITE_FOLDER, lambda _: None)
    finally:
        made.close()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageAccount]:
    """A storage account of the module's own."""
    with running_account("testaccount", tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def eventually() -> Eventually:
    """Wait, for a bounded time, until something holds."""

    def wait(condition: Callable[[], bool]) -> None:
        assert wait_until(condition, seconds=15)

    return wait


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run whose application does as its input says."""
    folder = tmp_path_factory.mktemp("run")
    with running(folder / "data", *obedient(folder)) as run:
        yield run


@pytest.fixture(scope="module")
def client(run: Run) -> Iterator[Client]:
    """A client of the run."""
    with client_of(run) as connected:
        yield connected
