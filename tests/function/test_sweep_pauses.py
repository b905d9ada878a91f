"""How long sweeps that find all settled leave the inputs unlisted, and what ends that."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline_function.services import Progress, Services
from pipeline_function.sweep_state import SweepState
from tests.function.fakes import MOMENT
from tests.function.sweeps import MINUTE, blob, have, sweep
from tests.memory.function import MemoryStorage

PAUSE = 15 * MINUTE


def listed(services: Services, storage: MemoryStorage, minutes: range, **backlog: object) -> list[int]:
    """Sweep each minute, and return those in which the inputs were listed."""
    found = []
    for minute in minutes:
        sweep(services, storage, minute * MINUTE, **backlog)
        if "inputs" in storage.calls:
            found.append(minute)
    return found


def test_passes_that_find_all_settled_come_at_growing_distances(services: Services, storage: MemoryStorage) -> None:
    services = replace(services, pause=PAUSE)
    have(storage, blob("done.csv"), done=True)
    assert listed(services, storage, range(70)) == [0, 2, 6, 14, 29, 44, 59]
    # In between, the queues are looked at all the same.
    assert sweep(services, storage, 71 * MINUTE) == []
    assert storage.calls == ["backlog"]


def test_without_a_pause_every_sweep_lists(services: Services, storage: MemoryStorage) -> None:
    have(storage, blob("done.csv"), done=True)
    assert listed(services, storage, range(10)) == list(range(10))


@pytest.mark.parametrize("backlog", [{"jobs": 1}, {"events": 1, "oldest": MOMENT}])
def test_what_waits_ends_the_pause(services: Services, storage: MemoryStorage, backlog: dict[str, object]) -> None:
    services = replace(services, pause=PAUSE)
    assert listed(services, storage, range(30)) == [0, 2, 6, 14, 29]
    assert listed(services, storage, range(30, 40), **backlog) == list(range(30, 40))
    assert ("jobs_are_there" in storage.calls) == ("jobs" in backlog)
    # And it begins anew.
    assert listed(services, storage, range(40, 60)) == [41, 45, 53]


def test_an_event_lost_in_a_pause_is_found_at_its_end(services: Services, storage: MemoryStorage) -> None:
    services = replace(services, pause=PAUSE)
    listed(services, storage, range(50))
    have(storage, blob("lost.csv", age=-50 * MINUTE))
    assert [sweep(services, storage, minute * MINUTE) for minute in range(50, 60)] == [[]] * 9 + [["lost.csv"]]


def test_an_input_that_is_too_new_to_judge_is_looked_at_again_soon(services: Services, storage: MemoryStorage) -> None:
    services = replace(services, pause=PAUSE)
    listed(services, storage, range(58))
    have(storage, blob("lost.csv", age=-58 * MINUTE))
    assert [sweep(services, storage, minute * MINUTE) for minute in range(58, 61)] == [[], [], ["lost.csv"]]


def test_a_file_that_never_gets_a_receipt_does_not_keep_the_sweep_listing(
    services: Services, storage: MemoryStorage
) -> None:
    services = replace(services, pause=PAUSE)
    have(storage, blob("buried.csv"))
    assert len(listed(services, storage, range(24 * 60))) < 24 * 60 / 10
    # It is queued again as its age doubles, at the first pass after that.
    queued = [minute for minute in range(24 * 60, 72 * 60) if sweep(services, storage, minute * MINUTE)]
    assert queued == [2046, 4101]


def test_a_file_that_a_worker_is_at_keeps_the_sweep_looking(services: Services, storage: MemoryStorage) -> None:
    services = replace(services, pause=PAUSE)
    long = blob("long.csv")
    have(storage, long)
    storage.come(long, Progress.WORKING)
    assert listed(services, storage, range(10)) == list(range(10))


def test_a_state_of_an_earlier_release_is_read(services: Services, storage: MemoryStorage) -> None:
    services = replace(services, pause=PAUSE)
    record = json.loads(SweepState(horizon=MOMENT, started=MOMENT).encode())
    storage.state = json.dumps({name: record[name] for name in record.keys() - {"calm", "ended", "unsettled"}})
    assert listed(services, storage, range(10)) == [0, 2, 6]
