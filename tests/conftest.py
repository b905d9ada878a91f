"""Storage that several folders of tests share: one Azurite, at the locked version, for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accounts import running_account


@pytest.fixture(scope="session")
def connection_string(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the storage account ``appstorage1`` on loopback; tests name their own containers and queues."""
    with running_account("appstorage1", tmp_path_factory.mktemp("azurite")) as account:
        yield account.connection_string
