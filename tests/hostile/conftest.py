"""What the tests with hostile input share: a storage account of their own, since they put names into it that hurt."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.azurite import StorageAccount
from tests.accounts import running_account
from tests.hostile.cases import COUNTED
from tests.hostile.service import Service

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases Hypothesis went through, by test."""
    if COUNTED:
        terminalreporter.section("hostile input")
        for name, count in sorted(COUNTED.items()):
            terminalreporter.write_line(f"{count:8,} cases  {name}")
        terminalreporter.write_line(f"{COUNTED.total():8,} cases  in all")
