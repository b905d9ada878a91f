"""A storage account of the tests' own, on Azurite at the locked version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.local.azurite import StorageAccount, install
from infra.local.machine import AZURITE_FOLDER
from infra.local.processes import Supervisor
from infra.local.run import PROJECT
from tests.local.fakes import new_key

DATA_FOLDER: Final = "storage"


@contextmanager
def running_account(name: str, folder: Path) -> Iterator[StorageAccount]:
    """Serve a storage account on loopback, with a key of its own and its data in a folder, while the context lasts.

    Azurite is installed in the project's ignored folder, which the local run shares.
    """
    supervisor = Supervisor(folder / "processes.json", folder / "beacon")
    account = StorageAccount(name, new_key(), folder / DATA_FOLDER, folder / "azurite.log")
    try:
        account.start(supervisor, install(supervisor, PROJECT / AZURITE_FOLDER, print), print)
        yield account
    finally:
        supervisor.close()
