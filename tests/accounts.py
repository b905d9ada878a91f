"""A storage account of the tests' own, on Azurite at the locked version, and what its strict front refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.local.cloud.machine import AZURITE_FOLDER
from infra.local.commands.run import PROJECT
from infra.local.processes.supervisor import Supervisor
from infra.local.services.azurite import StorageAccount, install
from tests.local.fakes import new_key

DATA_FOLDER: Final = "storage"


class Refusals:
    """What the front of an account refused, from one look to the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = 0
        self.fresh()

    def fresh(self) -> list[str]:
        """Return what was refused since the last look."""
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        fresh, self._seen = lines[self._seen :], len(lines)
        return fresh


_RUNNING: Final[list[Refusals]] = []


def fresh_refusals() -> list[str]:
    """Return what all running accounts refused since the last look."""
    return [line for refusals in _RUNNING for line in refusals.fresh()]


@contextmanager
def running_account(name: str, folder: Path) -> Iterator[StorageAccount]:
    """Serve a storage account on loopback, with a key of its own and its data in a folder, while the context lasts.

    Azurite is installed in the project's ignored folder, which the local run shares.

    Raises:
        AssertionError: a request was sent that Azure would refuse or take otherwise, and nobody had asked for it.
    """
    supervisor = Supervisor(folder / "processes.json", folder / "beacon")
    account = StorageAccount(name, new_key(), folder / DATA_FOLDER, folder / "azurite.log")
    refusals = Refusals(account.refusals)
    _RUNNING.append(refusals)
    try:
        account.start(supervisor, install(supervisor, PROJECT / AZURITE_FOLDER, print), print)
        yield account
        if left := refusals.fresh():
            raise AssertionError("Azure would refuse this, or take it for something else:\n" + "\n".join(left))
    finally:
        _RUNNING.remove(refusals)
        supervisor.close()
