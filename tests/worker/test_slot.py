"""Stages of jobs beside each other: what runs ahead and behind an application, and what happens to it at the end."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from pipeline_app.worker import slot
from pipeline_app.worker.attempt import Outcome, Processed
from tests.memory.worker import Outage
from tests.worker.staged import BIG, StagedWorker


class World(StagedWorker):
    """A worker of which stages are waited for."""

    def seen(self, entry: str) -> bool:
        """Wait until a stage was noted."""
        deadline = time.monotonic() + 10
        while entry not in self.processor.noted:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True


def test_the_next_input_comes_in_while_an_application_runs() -> None:
    world = World("a", "b")
    world.act("run", "a", lambda: None if world.seen("fetch b") else pytest.fail("b was not fetched meanwhile"))
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_a_job_is_not_taken_ahead_while_another_slot_has_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "HOLD_SECONDS", 60.0)
    world = World("a", slots=2)
    receive = world.queue.receive

    def receive_late(claim_seconds: int) -> Any:
        # The slot that has a may be the first to look for b.
        if threading.current_thread().name.startswith("slot-") and "fetch a" in world.processor.noted:
            time.sleep(0.2)
        return receive(claim_seconds)

    def run_a() -> None:
        assert world.seen("run b"), "b waited for a"

    world.queue.receive = receive_late  # type: ignore[method-assign]
    world.act("fetch", "a", lambda: world.queue.put("b"))
    world.act("run", "a", run_a)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_results_go_out_while_the_next_application_runs() -> None:
    world = World("a", "b")
    release = threading.Event()
    world.act("publish", "a", lambda: None if release.wait(10) else pytest.fail("b did not run meanwhile"))
    world.act("run", "b", release.set)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_no_more_than_one_job_is_ahead_and_two_are_behind() -> None:
    world = World(*"abcdef")
    release = threading.Event()
    for name in "abc":
        world.act("publish", name, lambda: None if release.wait(10) else pytest.fail("never released"))

    def check() -> None:
        # With a and b behind, c has run and waits for one of the two; e is not claimed before d may run.
        assert world.seen("run c")
        time.sleep(0.1)
        assert "run d" not in world.processor.noted
        assert "claim e" not in world.processor.noted
        release.set()

    checker = threading.Thread(target=check)
    checker.start()
    assert world.run() is True
    checker.join()
    assert release.is_set()
    assert world.status.snapshot()["counts"] == {"succeeded": 6}


def test_a_large_input_is_claimed_ahead_but_not_fetched() -> None:
    world = World("a", f"b {BIG + 1}")

    def run() -> None:
        assert world.seen("claim b")
        time.sleep(0.05)
        assert "fetch b" not in world.processor.noted

    world.act("run", "a", run)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_large_results_go_out_before_the_next_application_runs() -> None:
    world = World(f"a {BIG + 1}", "b")

    def publish() -> None:
        time.sleep(0.1)
        assert "run b" not in world.processor.noted

    world.act("publish", "a", publish)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_a_job_taken_ahead_is_given_back_when_the_application_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "HOLD_SECONDS", 0.1)
    world = World("long", "other", "third")

    def run_long() -> None:
        assert world.seen("release other")
        # What was ahead may have waited from before this began.
        time.sleep(slot.HOLD_SECONDS)

    def run() -> None:
        # After one that took long nothing is taken ahead.
        time.sleep(0.05)
        assert "claim third" not in world.processor.noted

    world.act("run", "long", run_long)
    world.act("run", "other", run)
    assert world.run() is True
    assert world.processor.noted.count("claim other") == 2
    assert world.status.snapshot()["counts"] == {"given back": 1, "succeeded": 3}


def test_a_worker_that_is_told_to_stop_gives_back_what_is_ahead_and_ends_what_is_behind() -> None:
    world = World("a", "b", "c")

    def stop() -> Processed:
        assert world.seen("fetch c")
        assert world.seen("publish a")
        world.stopping.set()
        world.queue.give_back(world.processor.messages["b"], "b", 0)
        return Processed(outcome=Outcome.GIVEN_BACK)

    world.act("run", "b", stop)
    assert world.run() is True
    assert "run c" not in world.processor.noted
    assert "release c" in world.processor.noted
    assert world.status.snapshot()["counts"] == {"given back": 2, "succeeded": 1}
    assert sorted(each.content for each in world.queue.messages) == ["b", "c"]


@pytest.mark.parametrize("stage", ["claim", "fetch", "publish"])
def test_an_outage_in_a_stage_leaves_the_message_to_its_claim(stage: str) -> None:
    world = World("a")

    def fail() -> Processed | None:
        world.processor.acts.clear()
        world.queue.expire_once_left("a")
        raise Outage

    world.act(stage, "a", fail)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"lost": 1, "succeeded": 1}


@pytest.mark.parametrize("stage", ["claim", "fetch", "run", "publish"])
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_mistake_in_any_stage_breaks_the_worker_off_without_hanging(stage: str, name: str) -> None:
    world = World("a", "b", "c")

    def fail() -> Processed | None:
        raise ZeroDivisionError

    world.act(stage, name, fail)
    assert world.run() is False
    assert world.status.snapshot()["counts"]["broken off"] == 1
