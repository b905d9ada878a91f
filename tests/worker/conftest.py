"""What the tests of the worker share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a worker on fake storage."""
    return World(tmp_path, monkeypatch)
