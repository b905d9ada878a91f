"""The worker that the explorations have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline_app.worker.settings import WorkerSettings
from tests.interleavings.setting import worker


@pytest.fixture
def settings() -> Iterator[WorkerSettings]:
    with worker() as settings:
        yield settings
