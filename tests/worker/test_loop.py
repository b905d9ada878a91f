"""The loop of a worker: it drains the queue, ends by itself, stops when told, and gives up after long refusals."""

from __future__ import annotations

import functools
import threading
from typing import Any

import pytest

from pipeline_app.worker import loop
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.disk import DiskFull
from pipeline_app.worker.loop import GIVE_UP_SECONDS, Refused
from tests.memory.account import Account
from tests.memory.worker import MemoryQueue, Outage
from tests.worker.looping import drain


@pytest.fixture
def clock() -> list[float]:
    """The time of a loop, which waits move."""
    return [1000.0]


@pytest.mark.parametrize("slots", [1, 4])
def test_all_messages_are_processed_once_and_then_the_worker_ends(slots: int) -> None:
    queue = MemoryQueue()
    for number in range(20):
        queue.put(str(number))
    worker, processor, status, _ = drain(queue, slots=slots)
    assert worker.run() is True
    assert sorted(processor.noted_of("run"), key=int) == [str(number) for number in range(20)]
    assert status.snapshot()["counts"] == {"succeeded": 20}


def test_a_worker_stays_while_another_holds_a_message_that_may_come_back() -> None:
    queue = MemoryQueue()
    queue.put("held-by-a-worker-that-was-killed")
    queue.receive(60)
    worker, processor, _, _ = drain(queue)
    queue.expire_once_left("held-by-a-worker-that-was-killed")
    assert worker.run() is True
    assert processor.noted_of("run") == ["held-by-a-worker-that-was-killed"]


def test_a_message_given_back_keeps_the_worker_up_until_it_is_due() -> None:
    queue = MemoryQueue()
    queue.put("file")
    worker, processor, status, _ = drain(queue, claim_seconds=1)

    def fail_once() -> Processed:
        message = processor.messages["file"]
        queue.give_back(message, message.content, 1)
        queue.expire_once_left("file")
        processor.acts.clear()
        return Processed(again_in=1.0, outcome=Outcome.GIVEN_BACK)

    processor.acts["run", "file"] = fail_once
    assert worker.run() is True
    assert status.snapshot()["counts"] == {"given back": 1, "succeeded": 1}


def test_a_worker_told_to_stop_claims_no_more() -> None:
    queue = MemoryQueue()
    worker, processor, _, stopping = drain(queue, idle_seconds=60)

    def stop() -> None:
        queue.put("2")
        stopping.set()

    queue.put("1")
    processor.acts["publish", "1"] = stop
    assert worker.run() is True
    assert processor.noted_of("run") == ["1"]


@pytest.mark.parametrize("call", ["receive", "is_empty"])
def test_an_outage_of_the_queue_is_waited_out(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(loop, "OUTAGE_SECONDS", 0.01)
    queue = MemoryQueue()
    queue.put("file")
    works, outages = getattr(queue, call), iter(range(5))

    def flaky(*arguments: Any) -> Any:
        if next(outages, None) is not None:
            raise Outage
        return works(*arguments)

    monkeypatch.setattr(queue, call, flaky)
    worker, processor, _, _ = drain(queue)
    assert worker.run() is True
    assert processor.noted_of("run") == ["file"]
    assert next(outages, None) is None


def pass_time(stopping: threading.Event, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(seconds: float) -> bool:
        clock[0] += max(seconds, 0.01)
        return stopping.is_set()

    monkeypatch.setattr(stopping, "wait", wait)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_storage_that_lets_nothing_be_done_for_20_minutes_ends_the_worker_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], slots: int
) -> None:
    queue = MemoryQueue()
    worker, _, _, stopping = drain(queue, slots=slots, clock=clock)
    pass_time(stopping, clock, monkeypatch)

    def refuse(claim_seconds: int) -> None:
        raise Outage("HTTP 403 AuthorizationPermissionMismatch")

    monkeypatch.setattr(queue, "receive", refuse)
    with pytest.raises(Refused, match=r"For 2\d minutes .* HTTP 403 AuthorizationPermissionMismatch"):
        worker.run()
    assert 1200 <= clock[0] - 1000 < 1230


def test_a_role_on_the_files_that_never_comes_ends_the_worker_too(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """The queue answers all the time: each job is claimed, refused, and given back to be claimed again."""
    queue = MemoryQueue()
    queue.put("file")
    worker, processor, status, stopping = drain(queue, clock=clock)
    pass_time(stopping, clock, monkeypatch)

    def refused() -> Processed:
        message = processor.messages["file"]
        queue.give_back(message, message.content, 30)
        clock[0] += 1
        return Processed(again_in=30, outcome=Outcome.GIVEN_BACK, trouble="HTTP 403 of the container")

    monkeypatch.setattr(Account, "clock", property(lambda self: clock[0], lambda self, value: None), raising=False)
    processor.acts["fetch", "file"] = refused
    with pytest.raises(Refused, match="HTTP 403 of the container"):
        worker.run()
    assert status.snapshot()["counts"]["given back"] > 20


def test_a_config_that_is_not_the_stacks_for_long_ends_the_worker_and_few_inputs_are_fetched_in_vain(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    queue = MemoryQueue()
    for number in range(1000):
        queue.put(str(number))
    worker, processor, status, stopping = drain(queue, clock=clock)
    pass_time(stopping, clock, monkeypatch)
    monkeypatch.setattr(Account, "clock", property(lambda self: clock[0], lambda self, value: None), raising=False)

    def refuse(name: str) -> Processed:
        message = processor.messages[name]
        queue.give_back(message, message.content, 30)
        return Processed(again_in=30, config=True, outcome=Outcome.GIVEN_BACK, trouble="The config is another one.")

    for number in range(1000):
        processor.acts["run", str(number)] = functools.partial(refuse, str(number))
    with pytest.raises(Refused, match=r"^For 2\d minutes no file could be run\. The config is another one\.$"):
        worker.run()
    # One in five seconds, and the one that is taken ahead of it.
    assert status.snapshot()["counts"]["given back"] < 2 * GIVE_UP_SECONDS / loop.OUTAGE_SECONDS + 10


def test_an_outage_that_passes_does_not_count_towards_the_next(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    queue = MemoryQueue()
    worker, _, _, stopping = drain(queue, idle_seconds=5000.0, clock=clock)
    pass_time(stopping, clock, monkeypatch)
    receive = queue.receive

    def flaky(claim_seconds: int) -> Any:
        # Out for 19 minutes of every 20.
        if (clock[0] - 1000) % 1200 < 1140:
            raise Outage("503")
        return receive(claim_seconds)

    monkeypatch.setattr(queue, "receive", flaky)
    assert worker.run() is True
    assert clock[0] - 1000 >= 5000


def test_a_file_in_hand_is_never_given_up(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    queue = MemoryQueue()
    queue.put("long")
    worker, processor, status, stopping = drain(queue, slots=2, clock=clock)
    pass_time(stopping, clock, monkeypatch)
    receive, refused = queue.receive, threading.Event()

    def once(claim_seconds: int) -> Any:
        if (message := receive(claim_seconds)) is not None:
            return message
        if clock[0] > 1000 + 3 * loop.GIVE_UP_SECONDS:
            refused.set()
        raise Outage("HTTP 403")

    def long() -> None:
        assert refused.wait(30)
        assert not stopping.is_set()

    monkeypatch.setattr(queue, "receive", once)
    processor.acts["run", "long"] = long
    with pytest.raises(Refused):
        worker.run()
    assert status.snapshot()["counts"] == {"succeeded": 1}


@pytest.mark.parametrize(("error", "traced"), [(DiskFull("The disk is full."), False), (ZeroDivisionError("x"), True)])
def test_an_error_of_the_workers_own_breaks_it_off_and_is_reported(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise error

    queue = MemoryQueue()
    queue.put("file")
    worker, processor, status, _ = drain(queue, slots=2, idle_seconds=60)
    processor.acts["run", "file"] = fail
    assert worker.run() is False
    assert status.snapshot()["counts"] == {"broken off": 1}
    (record,) = (each for each in caplog.records if "broke off" in each.getMessage())
    assert str(error) in record.getMessage()
    assert bool(record.exc_info) is traced
