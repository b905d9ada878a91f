"""Storage that several folders of tests share: one Azurite, at the locked version, for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accounts import fresh_refusals, running_account


@pytest.fixture(scope="session")
def connection_string(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the storage account ``appstorage1`` on loopback; tests name their own containers and queues."""
    with running_account("appstorage1", tmp_path_factory.mktemp("azurite")) as account:
        yield account.connection_string


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known by which a test asks for refusals."""
    config.addinivalue_line(
        "markers", "refused(code): on purpose the test sends what Azure refuses with this error code, if one is named"
    )


@pytest.fixture(autouse=True)
def as_azure_would(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that sent what Azure refuses or takes otherwise, unless it is marked ``refused``."""
    yield
    refused = fresh_refusals()
    if marker := request.node.get_closest_marker("refused"):
        refused = [line for line in refused if marker.args and f" {marker.args[0]} to " not in line]
    assert refused == [], "Azure would refuse this, or take it for something else."
