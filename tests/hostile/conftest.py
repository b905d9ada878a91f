"""What the tests with hostile input share: a storage account of their own, since they put names into it that hurt."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.services.azurite import StorageAccount
from tests.accounts import running_account
from tests.hostile.service import Service
from tests.hostile.strangers import STRANGER, Give
from tests.local.fakes import Recorder

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageAccount]:
    """Serve a storage account on loopback."""
    with running_account("hostile", tmp_path_factory.mktemp("hostile")) as account:
        yield account


@pytest.fixture
def service(account: StorageAccount, tmp_path: Path) -> Service:
    """Make a container and the folders of a worker."""
    return Service(account, f"container-{next(_numbers)}", tmp_path)


@pytest.fixture
def again(account: StorageAccount, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Service]:
    """Make further containers."""
    return lambda: Service(account, f"container-{next(_numbers)}", tmp_path_factory.mktemp("again"))


@pytest.fixture
def watcher() -> Recorder:
    """A watcher of a local run that keeps what it is told."""
    return Recorder()


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let a file or folder belong to another user."""

    def to_stranger(path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    return to_stranger
