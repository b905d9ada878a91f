"""What sweeps do, one after the other: which inputs they queue, when, how often, and what a run costs."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest

from pipeline_app.contract.function_events import Sweep
from pipeline_app.rest.endpoint import StorageUnreachable
from pipeline_function import sweep_state
from pipeline_function.segments import Segment
from pipeline_function.services import InputBlob, Progress, Services
from pipeline_function.sweep_state import SweepState
from tests.function.fakes import GRACE, MOMENT
from tests.function.sweeps import MINUTE, blob, have, sweep
from tests.logged import logged
from tests.memory.function import MemoryStorage, refuse_jobs

OLD = MOMENT - GRACE


def test_every_sweep_tells_the_backlog_on_one_line(
    services: Services, storage: MemoryStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for events, jobs in ((0, 0), (3, 0), (2, 1501)):
        sweep(services, storage, events=events, jobs=jobs)
    assert logged(caplog) == [Sweep(events=0, jobs=0), Sweep(events=3, jobs=0), Sweep(events=2, jobs=1501)]


def test_a_backlog_gets_a_runner_before_anything_is_listed(services: Services, storage: MemoryStorage) -> None:
    sweep(services, storage, jobs=1)
    assert storage.calls == ["backlog", "jobs_are_there", "inputs"]


def test_a_sweep_queues_exactly_the_old_inputs_without_a_receipt_for_their_version(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, blob("done.csv"), blob("overwritten.csv", "0x1"), done=True)
    have(storage, blob("fresh.csv", age=GRACE - timedelta(seconds=1)), blob("lost.csv"), blob("overwritten.csv", "0x2"))
    assert sweep(services, storage) == ["lost.csv", "overwritten.csv"]
    assert [(job.etag, job.size) for job in storage.jobs] == [("0x1", 7), ("0x2", 7)]
    assert len({job.event_id for job in storage.jobs}) == 2
    assert all(job.event_id.startswith("sweep-") for job in storage.jobs)
    assert storage.calls[-1] == "job_was_put"


def test_a_sweep_that_finds_nothing_starts_nothing(services: Services, storage: MemoryStorage) -> None:
    have(storage, blob("done.csv"), done=True)
    assert sweep(services, storage) == []
    assert {"job_was_put", "jobs_are_there"}.isdisjoint(storage.calls)


def test_a_folder_marker_is_no_input(services: Services, storage: MemoryStorage) -> None:
    have(storage, InputBlob(etag="0x1", modified=OLD, name="incoming/", size=0))
    assert sweep(services, storage) == []


def test_what_waits_in_a_queue_is_never_queued_again(services: Services, storage: MemoryStorage) -> None:
    """A file that changed after the oldest waiting message was put there may wait behind it."""
    have(storage, *(blob(f"{minutes}.csv", age=minutes * MINUTE) for minutes in (4, 20, 60)))
    for minute in range(5):
        after = minute * MINUTE
        assert sweep(services, storage, after, events=1, jobs=40, oldest=MOMENT - 60 * MINUTE) == []
        assert "progress" not in storage.calls


def test_a_lost_event_is_found_while_the_queues_never_empty(services: Services, storage: MemoryStorage) -> None:
    have(storage, blob("lost.csv", age=20 * MINUTE), blob("waits.csv", age=5 * MINUTE))
    found = [
        sweep(services, storage, after, events=3, jobs=7, oldest=MOMENT + after - 6 * MINUTE)
        for after in (0 * MINUTE, 1 * MINUTE, 2 * MINUTE)
    ]
    assert found == [[], ["lost.csv"], []]


def test_what_was_left_to_the_queue_is_looked_at_once_the_queue_is_past_it(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, blob("lost.csv", age=5 * MINUTE))
    assert sweep(services, storage, jobs=9, oldest=MOMENT - 10 * MINUTE) == []
    assert sweep(services, storage, MINUTE) == ["lost.csv"]


def test_a_file_that_was_just_taken_is_not_queued_again(services: Services, storage: MemoryStorage) -> None:
    """Its worker has said nothing yet at the first look, is at work at the second, and done at the third."""
    taken = blob("taken.csv", age=20 * MINUTE)
    have(storage, taken)
    assert sweep(services, storage, jobs=1) == []
    storage.come(taken, Progress.WORKING)
    assert sweep(services, storage, MINUTE, jobs=1) == []
    storage.come(taken, Progress.DONE)
    assert sweep(services, storage, 2 * MINUTE, jobs=1) == []
    assert sweep(services, storage, 3 * MINUTE) == []
    assert "progress" not in storage.calls


def test_a_file_that_a_worker_is_at_is_left_alone_however_long_it_takes(
    services: Services, storage: MemoryStorage
) -> None:
    long = blob("long.csv")
    have(storage, long)
    storage.come(long, Progress.WORKING)
    assert [sweep(services, storage, minute * MINUTE, jobs=1) for minute in range(300)] == [[]] * 300
    storage.come(long, Progress.UNKNOWN)
    assert sweep(services, storage, 300 * MINUTE) == ["long.csv"]


def test_a_file_that_never_gets_a_receipt_is_queued_each_time_its_age_has_doubled(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, blob("buried.csv"))
    queued = [minute for minute in range(24 * 60) if sweep(services, storage, minute * MINUTE)]
    assert queued == [0, 2, 6, 14, 30, 62, 126, 254, 510, 1022]


def test_what_changes_after_a_pass_has_gone_by_is_looked_at_in_the_next(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, blob("a.csv"), blob("b.csv"), done=True)
    sweep(services, storage)
    have(storage, blob("new.csv", age=-MINUTE))
    have(storage, blob("a.csv", "0x2", age=timedelta(0)))
    assert sweep(services, storage, 3 * MINUTE) == ["a.csv", "new.csv"]
    assert storage.calls.count("progress") == 2


def test_a_few_files_without_a_receipt_do_not_make_the_others_be_looked_at_again(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, *(blob(f"{number}.csv") for number in range(50)), done=True)
    have(storage, blob("buried.csv", age=60 * MINUTE))
    sweep(services, storage)
    sweep(services, storage, MINUTE)
    assert storage.calls.count("progress") == 1


def test_more_files_without_a_receipt_than_can_be_remembered_are_all_found(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_state, "MAX_OPEN", 3)
    files = [blob(f"{number}.csv", age=(10 - number) * MINUTE) for number in range(8)]
    have(storage, *files)
    assert len(sweep(services, storage)) == 8
    for file in files[:6]:
        storage.come(file, Progress.DONE)
    sweep(services, storage, MINUTE)
    assert storage.calls.count("progress") == 8
    assert {job.name for job in storage.jobs} <= {file.name for file in files[6:]}


@pytest.mark.parametrize(
    "state",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"version": 3}',
        json.dumps(json.loads(SweepState(horizon=MOMENT, started=MOMENT).encode()) | {"started": "2026-01-31"}),
        json.dumps(json.loads(SweepState(horizon=MOMENT, started=MOMENT).encode()) | {"settled": 7}),
    ],
)
def test_a_state_that_cannot_be_read_means_a_new_pass_over_everything(
    services: Services, storage: MemoryStorage, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    have(storage, blob("lost.csv"))
    storage.state = state
    assert sweep(services, storage) == ["lost.csv"]
    assert "cannot be read" in caplog.text


def test_a_run_that_breaks_off_is_repeated_by_the_next(services: Services, storage: MemoryStorage) -> None:
    have(storage, blob("lost.csv"))
    storage.memory.before = refuse_jobs
    with pytest.raises(StorageUnreachable, match="503"):
        sweep(services, storage)
    # Some jobs may be on the queue, so somebody has to look.
    assert storage.calls[-1] == "job_was_put"
    storage.memory.before = lambda asked: None
    assert sweep(services, storage, MINUTE) == ["lost.csv"]


def test_the_state_survives_its_text() -> None:
    state = SweepState(
        calm=3,
        doubted=[blob("ü.csv")],
        ended=MOMENT,
        horizon=MOMENT,
        known={"a": True},
        open={"b": False},
        previous=OLD,
        segments=[Segment(done=True, marks=["a"], pages=20), Segment(pages=3, start="b", stride=7, token="t")],
        settled=OLD,
        started=MOMENT,
        unlisted=OLD,
        unsettled=True,
    )
    assert SweepState.decode(state.encode()) == state
