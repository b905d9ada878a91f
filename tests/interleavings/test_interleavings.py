"""Every order of two attempts' requests, with faults and an overwritten input, keeps what is promised."""

from __future__ import annotations

import pytest

from pipeline_app.worker.settings import WorkerSettings
from tests.interleavings.attempts import Ends
from tests.interleavings.setting import Bounds, explore

WHOLE = [
    Bounds(attempts=2, faults=1, long=True, results=1, uploads=0),
    Bounds(attempts=2, ends=Ends.IN_APPLICATION, faults=2, long=True, results=1, uploads=0),
    Bounds(attempts=2, ends=Ends.RIGHT_BEFORE_COMMIT, faults=2, results=1, uploads=0),
    Bounds(attempts=2, faults=1, uploads=1),
    Bounds(attempts=2, faults=2, uploads=0),
]


@pytest.mark.parametrize("bounds", WHOLE, ids=repr)
def test_every_order_keeps_all_promises(settings: WorkerSettings, bounds: Bounds) -> None:
    found = explore(settings, bounds)
    assert found.story is None, "\n".join(found.story)
    # Fewer would mean that steps are missing.
    assert found.states > 10_000
