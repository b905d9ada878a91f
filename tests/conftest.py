"""Storage that several folders of tests share: one Azurite, at the locked version, for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.azurite import StorageAccount, install
from infra.local.processes import Supervisor

# The account key of this run alone; Azurite wants 64 bytes in base64.
KEY = "a2V5" * 21 + "aw=="


@pytest.fixture(scope="session")
def azurite_folder() -> Path:
    """Return where Azurite is installed, which the local run shares."""
    return Path(__file__).parents[1] / ".azurite"


@pytest.fixture(scope="session")
def connection_string(azurite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the storage account ``appstorage1`` on loopback; tests name their own containers and queues."""
    folder = tmp_path_factory.mktemp("azurite")
    supervisor = Supervisor(folder / "processes.json", folder / "beacon")
    try:
        program = install(supervisor, azurite_folder, print)
        account = StorageAccount("appstorage1", KEY, folder / "data", folder / "azurite.log")
        account.start(supervisor, program)
        yield account.connection_string
    finally:
        supervisor.close()
