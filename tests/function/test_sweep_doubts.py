"""An input that a worker may just have taken is looked at again by the next run, and not when the pass is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline_function import listings, sweep_state, sweeping
from pipeline_function.services import Progress, Services
from tests.function.fakes import MOMENT
from tests.function.sweeps import MINUTE, blob, have, sweep
from tests.memory.function import MemoryStorage


@pytest.fixture(autouse=True)
def _long_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run list one page of 10 inputs."""
    monkeypatch.setattr(listings, "INPUTS_PER_PAGE", 10)
    monkeypatch.setattr(sweeping, "RUN_SECONDS", 0.0)


def many(storage: MemoryStorage) -> None:
    have(storage, *(blob(f"{number:06}.csv", age=60 * MINUTE) for number in range(100)), done=True)


def test_a_lost_event_is_repaired_by_the_next_run_though_the_pass_goes_on(
    services: Services, storage: MemoryStorage
) -> None:
    many(storage)
    have(storage, blob("!lost.csv"))
    assert [sweep(services, storage, minute * MINUTE, jobs=1) for minute in range(4)] == [[], ["!lost.csv"], [], []]


@pytest.mark.parametrize("progress", [Progress.DONE, Progress.WORKING])
def test_what_a_worker_had_taken_is_left_alone(services: Services, storage: MemoryStorage, progress: Progress) -> None:
    many(storage)
    taken = blob("!taken.csv")
    have(storage, taken)
    assert sweep(services, storage, jobs=1) == []
    storage.come(taken, progress)
    assert [sweep(services, storage, minute * MINUTE, jobs=1) for minute in range(1, 10)] == [[]] * 9


def test_a_version_that_is_gone_is_not_queued(services: Services, storage: MemoryStorage) -> None:
    many(storage)
    have(storage, blob("!gone.csv"), blob("!old.csv"))
    assert sweep(services, storage, jobs=1) == []
    storage.memory.blobs.forget("pipeline-files/incoming/!gone.csv")
    have(storage, blob("!old.csv", "0x2", age=timedelta(0)))
    assert [sweep(services, storage, minute * MINUTE, jobs=1) for minute in range(1, 10)] == [[]] * 9


def test_what_may_wait_behind_an_older_message_by_now_is_left_alone(services: Services, storage: MemoryStorage) -> None:
    many(storage)
    have(storage, blob("!waits.csv"))
    assert sweep(services, storage, jobs=1) == []
    assert sweep(services, storage, MINUTE, jobs=1, oldest=MOMENT - 10 * MINUTE) == []


def test_it_is_not_queued_again_by_the_pass_that_begins_with_the_same_run(
    services: Services, storage: MemoryStorage
) -> None:
    # Between the two looks its age has doubled.
    have(storage, blob("lost.csv", age=timedelta(minutes=3, seconds=30)))
    assert sweep(services, storage, jobs=1) == []
    assert sweep(services, storage, MINUTE, jobs=1) == ["lost.csv"]
    assert len(storage.jobs) == 1
    assert sweep(services, storage, 2 * MINUTE, jobs=1) == []


def test_more_than_can_be_remembered_by_name_wait_for_the_next_pass(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_state, "MAX_DOUBTED", 2)
    have(storage, *(blob(f"{number}.csv") for number in range(5)))
    assert sweep(services, storage, jobs=1) == []
    assert sweep(services, storage, MINUTE, jobs=1) == [f"{number}.csv" for number in range(5)]
    assert len(storage.jobs) == 5
