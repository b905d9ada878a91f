"""What the tests of commands share: runs that do not outlive the test, and a config for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.commands.starting import Start
from tests.local.runs import Run, obedient


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """Start runs that do not outlive the test."""

    def begin(data: Path, *config: str) -> Run:
        run = Run(data, *config)

        def end() -> None:
            if run.process.poll() is None:
                run.end()

        request.addfinalizer(end)
        return run

    return begin


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    """The config of the obedient application, with time enough for slow inputs."""
    return obedient(tmp_path, timeout_seconds=30)
