"""How sweeps go through very many inputs: side by side, run by run, and with a listing of outputs instead of looks."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_app.rest.endpoint import StorageUnreachable
from pipeline_function import judging, listings, segments, sweeping
from pipeline_function.services import Progress, Services
from pipeline_function.sweep_state import PAGES_PER_SECOND, SweepState
from tests.function.fakes import GRACE, MOMENT, FakeWakeUps
from tests.function.sweeps import MINUTE, blob, have, sweep
from tests.function.test_audit import INPUTS
from tests.memory.function import NAMES, MemoryStorage
from tests.memory.listing import flat, flat_units, tree
from tests.memory.requests import Asked, Refused, Reply


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few inputs be many."""
    monkeypatch.setattr(listings, "INPUTS_PER_PAGE", 10)
    monkeypatch.setattr(judging, "WORTH", 2)
    monkeypatch.setattr(segments, "MIN_PAGES", 2)


def many(count: int, **more: Any) -> list[Any]:
    return [blob(f"{number:06}.csv", **more) for number in range(count)]


def state_of(storage: MemoryStorage) -> SweepState:
    state = SweepState.decode(storage.state)
    assert state is not None
    return state


def test_a_first_pass_over_inputs_that_are_done_lists_outputs_and_asks_for_none(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, *many(400), done=True)
    have(storage, blob("000123.csv", "0x2"), blob("lost.csv"))
    assert sweep(services, storage) == ["000123.csv", "lost.csv"]
    assert storage.calls.count("inputs") == 41
    assert storage.calls.count("progress") == 2
    assert storage.calls.count("receipts") <= judging.PLACES * 41


def test_a_worker_that_is_at_an_input_is_seen_when_outputs_are_listed(
    services: Services, storage: MemoryStorage
) -> None:
    inputs = many(30)
    have(storage, *inputs, done=True)
    storage.come(inputs[7], Progress.UNKNOWN)
    storage.come(inputs[7], Progress.WORKING)
    assert sweep(services, storage) == []
    storage.come(inputs[7], Progress.UNKNOWN)
    assert sweep(services, storage, MINUTE) == ["000007.csv"]


def test_the_pass_after_a_long_one_lists_in_segments_and_finds_what_is_new_anywhere(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, *many(400), done=True)
    sweep(services, storage)
    assert len(state_of(storage).segments) == 1
    new = ["!.csv", "000000.csv-", "000123.csv/x", "0001990", "000399.csv0", "zzz"]
    have(storage, *(blob(name, age=-MINUTE) for name in new))
    assert sweep(services, storage, 4 * MINUTE) == sorted(new)
    state = state_of(storage)
    assert state.over
    assert 10 < len(state.segments) <= segments.MAX_SEGMENTS
    # No name is listed by two of them, but for the pages where one ends and the next begins.
    assert storage.calls.count("inputs") <= 41 + 2 * len(state.segments)
    assert len(json.dumps(state.encode())) < 20_000


def test_a_service_that_passes_over_where_to_begin_is_listed_from_its_beginning(
    services: Services, storage: MemoryStorage
) -> None:
    have(storage, *many(100), done=True)
    sweep(services, storage)
    storage.memory.blobs.starts_from = False
    lost = [blob(f"{number:06}.csv", "0x2", age=-MINUTE) for number in (0, 50, 99)]
    have(storage, *lost)
    assert sweep(services, storage, 4 * MINUTE) == ["000000.csv", "000050.csv", "000099.csv"]
    assert len(storage.jobs) == 3
    assert len(state_of(storage).segments) == 1


def test_a_run_ends_in_its_time_and_the_next_goes_on(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "RUN_SECONDS", 0.0)
    have(storage, *many(50), done=True)
    have(storage, blob("zzz.csv"))
    found = []
    for minute in range(6):
        found.append(sweep(services, storage, minute * MINUTE))
        assert storage.calls.count("inputs") == 1
    assert found == [[], [], [], [], [], ["zzz.csv"]]
    assert state_of(storage).over


def test_a_run_that_is_killed_has_kept_how_far_it_came(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SAVE_SECONDS", 0.0)
    have(storage, *many(50), done=True)
    listed: list[Asked] = []

    def break_off(asked: Asked) -> None:
        listed.extend([asked] if asked.parameter("prefix") == "incoming/" else [])
        if len(listed) == 4:
            raise ConnectionError("killed")

    storage.memory.before = break_off
    with pytest.raises(StorageUnreachable, match="killed"):
        sweep(services, storage)
    storage.memory.before = lambda asked: None
    assert not state_of(storage).over
    sweep(services, storage, MINUTE)
    assert storage.calls.count("inputs") in (2, 3)
    assert state_of(storage).over


def test_a_second_run_beside_one_looks_at_the_queues_alone(services: Services, storage: MemoryStorage) -> None:
    have(storage, blob("lost.csv"))
    began, go_on = threading.Event(), threading.Event()

    def stop(asked: Asked) -> None:
        if asked.parameter("prefix"):
            began.set()
            go_on.wait(30)

    storage.memory.before = stop
    thread = threading.Thread(target=sweep, args=(services, storage))
    thread.start()
    assert began.wait(30)
    calls = len(storage.calls)
    sweeping.sweep(services)
    assert storage.calls[calls:] == ["backlog"]
    go_on.set()
    thread.join()
    assert [job.name for job in storage.jobs] == ["incoming/lost.csv"]


def test_passes_are_no_denser_than_what_listing_may_cost(services: Services, storage: MemoryStorage) -> None:
    have(storage, *many(5), done=True)
    sweep(services, storage)
    state = state_of(storage)
    # As if it had had pages for an hour.
    state.segments[0].pages = PAGES_PER_SECOND * 60 * 60
    storage.state = state.encode()
    have(storage, blob("lost.csv", age=-MINUTE))
    assert [minute for minute in range(1, 62) if sweep(services, storage, minute * MINUTE)] == [60]


def test_a_state_of_the_release_before_goes_on_where_it_was(services: Services, storage: MemoryStorage) -> None:
    have(storage, *many(30), done=True)
    record = json.loads(SweepState(horizon=MOMENT, started=MOMENT).encode())
    record.pop("segments")
    storage.state = json.dumps(record | {"token": "2!incoming/000020.csv", "version": 1})
    have(storage, blob("000025.csv", "0x2"))
    assert sweep(services, storage, MINUTE) == ["000025.csv"]
    assert storage.calls.count("inputs") == 1


def test_a_segment_begins_anew_where_the_service_refuses_its_token(
    services: Services, storage: MemoryStorage, caplog: pytest.LogCaptureFixture
) -> None:
    have(storage, *many(100), done=True)
    sweep(services, storage)
    have(storage, *(blob(f"{number:06}.csv", "0x2", age=-MINUTE) for number in (0, 95)))
    state = state_of(storage).next_pass(GRACE, MOMENT + 4 * MINUTE)
    state.segments[-1].token = "of another time"
    storage.state = state.encode()
    assert sweep(services, storage, 4 * MINUTE) == ["000000.csv", "000095.csv"]
    assert state_of(storage).over
    assert "begins anew" in caplog.text


def test_a_service_that_refuses_to_begin_at_a_name_is_listed_from_its_beginning(
    services: Services, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(storage, *many(100), done=True)
    sweep(services, storage)
    have(storage, *(blob(f"{number:06}.csv", "0x2", age=-MINUTE) for number in range(90, 100)))
    answer = storage.memory.blobs.answer

    def refuse(asked: Asked, *more: Any) -> Reply:
        if asked.parameter("startFrom"):
            raise Refused(400, "InvalidQueryParameterValue")
        return answer(asked, *more)

    monkeypatch.setattr(storage.memory.blobs, "answer", refuse)
    assert sweep(services, storage, 4 * MINUTE) == [f"{number:06}.csv" for number in range(90, 100)]
    assert len(state_of(storage).segments) == 1
    # Where no listing of outputs can begin at a receipt, each is asked for.
    assert storage.calls.count("progress") == 10


@given(
    breaks=st.sets(st.integers(0, 60), max_size=4),
    inputs=st.dictionaries(INPUTS, st.sampled_from(["done", "older", "none", "new"]), max_size=40),
    order=st.sampled_from([flat, flat_units, tree]),
    starts_from=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_inputs_are_called_and_however_often_a_run_breaks_off_each_open_one_is_queued_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
    breaks: set[int],
    inputs: dict[str, str],
    order: Callable[[str], Any],
    starts_from: bool,
) -> None:
    monkeypatch.setattr(listings, "INPUTS_PER_PAGE", 2)
    monkeypatch.setattr(segments, "MIN_PAGES", 1)
    storage = MemoryStorage()
    services = Services(
        grace=GRACE, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=FakeWakeUps(storage.calls)
    )
    storage.memory.blobs.order = order
    storage.memory.blobs.starts_from = starts_from
    for number, (name, state) in enumerate(inputs.items()):
        version = replace(blob("x", f"0x{number}"), name=name)
        if state == "new":
            version = replace(version, modified=MOMENT - timedelta(seconds=1))
        have(storage, version, done=state == "done")
        if state == "older":
            storage.memory.upload(f"{NAMES.container}/{NAMES.receipt_name(name)}", b"{}", {"input_etag": "0xOLD"})
    due = {name for name, state in inputs.items() if state not in ("done", "new")}

    numbers = itertools.count()

    def break_off(asked: Asked) -> None:
        if asked.service == "blob" and next(numbers) in breaks:
            raise ConnectionError("broken off")

    storage.memory.before = break_off
    queued: set[str] = set()
    for minute in range(8):
        try:
            names = sweep(services, storage, timedelta(seconds=10 * minute))
        except StorageUnreachable:
            names = [job.name.removeprefix("incoming/") for job in storage.jobs]
        else:
            assert len(names) == len(set(names))
        queued.update(f"incoming/{name}" for name in names)
    assert queued == due


@given(
    old=st.sets(INPUTS, min_size=4, max_size=30),
    new=st.sets(INPUTS, min_size=1, max_size=10),
    order=st.sampled_from([flat, flat_units, tree]),
    starts_from=st.booleans(),
    at_once=st.integers(1, 3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_new_is_found_in_one_pass_wherever_it_is_among_the_segments(
    monkeypatch: pytest.MonkeyPatch,
    old: set[str],
    new: set[str],
    order: Callable[[str], Any],
    starts_from: bool,
    at_once: int,
) -> None:
    monkeypatch.setattr(listings, "INPUTS_PER_PAGE", 2)
    monkeypatch.setattr(segments, "MIN_PAGES", 1)
    monkeypatch.setattr(sweeping, "LISTINGS", at_once)
    storage = MemoryStorage()
    services = Services(
        grace=GRACE, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=FakeWakeUps(storage.calls)
    )
    storage.memory.blobs.order = order
    have(storage, *(replace(blob("x"), name=name) for name in old), done=True)
    assert sweep(services, storage) == []
    storage.memory.blobs.starts_from = starts_from
    have(storage, *(replace(blob("x", "0x2", age=-MINUTE), name=name) for name in new))
    found = sweep(services, storage, 4 * MINUTE)
    assert state_of(storage).over
    assert found == sorted(name.removeprefix("incoming/") for name in new)
