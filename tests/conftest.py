"""Storage that several folders of tests share, and what a run in several processes brings together.

Each process has one Azurite, at the locked version, for the whole run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.accounts import fresh_refusals, running_account
from tests.hostile.cases import COUNTED

# A random test that fails says how to have the same failure again, also where nothing but its output is left.
settings.register_profile("repeatable", print_blob=True)
settings.load_profile("repeatable")


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


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Show a lone surrogate, which names of files have and UTF-8 has not, by its number: reports go through a pipe."""
    report = yield
    return None if report is None else {key: _encodable(value) for key, value in report.items()}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counted cases to the process that reports."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["cases"] = dict(COUNTED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the cases that another process counted."""
    COUNTED.update(Counter(getattr(node, "workeroutput", {}).get("cases", {})))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases Hypothesis went through, by test."""
    if COUNTED:
        terminalreporter.section("hostile input")
        for name, count in sorted(COUNTED.items()):
            terminalreporter.write_line(f"{count:8,} cases  {name}")
        terminalreporter.write_line(f"{COUNTED.total():8,} cases  in all")


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _encodable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, tuple):
        return tuple(_encodable(each) for each in value)
    return value
