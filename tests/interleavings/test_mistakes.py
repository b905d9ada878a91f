"""Each mistake that the protocol keeps from doing harm is found once it is made, and told as a story."""

from __future__ import annotations

import pytest

from pipeline_app.worker.settings import WorkerSettings
from tests.interleavings.planted import PLANTED, Plant
from tests.interleavings.setting import Bounds, explore

# From those that are gone through at once to those that find all the rest.
GROWING = [
    Bounds(attempts=2, faults=0, uploads=0),
    Bounds(attempts=2, faults=0, uploads=1),
    Bounds(attempts=2, faults=1, uploads=0),
    Bounds(attempts=2, faults=0, long=True, results=1, uploads=1),
    Bounds(attempts=2, faults=1, results=1, uploads=1),
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_each_mistake_is_found_and_told(
    settings: WorkerSettings, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    story = next((story for bounds in GROWING if (story := explore(settings, bounds).story)), None)
    assert story is not None, plant.__doc__
    print("", plant.__doc__, *story, sep="\n  ")
