"""A file that may have cost a worker its life is worked on alone, and nobody waits for that for ever."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline_app.worker import isolation, slot
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.claim import Claim
from pipeline_app.worker.isolation import Isolation, patience
from tests.worker.suspects import World


def test_a_suspect_waits_for_its_neighbours_and_nothing_is_claimed_until_it_is_done() -> None:
    world = World("a", "suspect", slots=2)
    world.part("a", "suspect")

    def work() -> None:
        time.sleep(0.1)
        world.queue.put("next")
        time.sleep(0.3)
        assert "isolate suspect" not in world.noted

    def publish() -> None:
        time.sleep(0.1)
        assert "claim next" not in world.noted

    world.act("run", "a", work)
    world.act("publish", "suspect", publish)
    assert world.run() is True
    assert world.order("publish a", "isolate suspect", "fetch suspect", "run suspect", "publish suspect", "claim next")
    assert world.status.snapshot()["counts"] == {"succeeded": 3}


def test_a_suspect_that_was_claimed_ahead_waits_until_the_results_before_it_are_out() -> None:
    world = World("a", "suspect", slots=1)
    out = threading.Event()

    def publish() -> None:
        time.sleep(0.2)
        out.set()

    world.act("run", "a", lambda: world.await_all("claim suspect"))
    world.act("publish", "a", publish)
    world.act("isolate", "suspect", lambda: None if out.is_set() else pytest.fail("results were still going out"))
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_what_was_taken_ahead_in_another_slot_is_given_back_for_a_suspect() -> None:
    world = World("a", "b", "ahead", "suspect", slots=2)
    # Two run, and each slot has one of the other two ahead.
    world.part("a", "b")
    for name in "ab":
        world.act("run", name, lambda: world.await_all("fetch ahead", "claim suspect"))
    assert world.run() is True
    assert "fetch suspect" not in world.noted[: world.noted.index("isolate suspect")]
    assert world.order("release ahead", "isolate suspect", "publish suspect", "claim ahead", "run ahead")
    assert world.noted.count("run ahead") == 1
    assert world.status.snapshot()["counts"] == {"given back": 1, "succeeded": 4}


def test_of_two_suspects_that_are_claimed_at_once_one_goes_back_and_none_is_asked_for_again_and_again() -> None:
    world = World("suspect-1", "suspect-2", "a", slots=2)
    met = threading.Barrier(2)

    def meet() -> None:
        met.wait(10)

    for number in (1, 2):
        world.act("claim", f"suspect-{number}", meet)

    def run(number: int) -> None:
        world.processor.acts.clear()
        time.sleep(0.3)
        assert f"run suspect-{3 - number}" not in world.noted
        assert "claim a" not in world.noted

    for number in (1, 2):
        world.act("run", f"suspect-{number}", lambda number=number: run(number))  # type: ignore[misc]
    assert world.run() is True
    assert len([entry for entry in world.noted if entry.startswith("release ")]) == 1
    assert world.status.snapshot()["counts"] == {"given back": 1, "succeeded": 3}


def test_many_suspects_in_many_slots_come_to_their_turn_one_after_the_other() -> None:
    """After the first is done they are claimed one by one, so that no slot has one only to give it back."""
    names = [f"suspect-{number}" for number in range(12)]
    world = World(*names, "a", slots=4)
    assert world.run() is True
    begun = [entry for entry in world.noted if entry.startswith(("isolate", "publish suspect"))]
    assert [entry.split()[1] for entry in begun[::2]] == [entry.split()[1] for entry in begun[1::2]]
    # Each of the other slots may have had one as the first was claimed.
    assert world.status.snapshot()["counts"].get("given back", 0) <= 3
    assert world.status.snapshot()["counts"]["succeeded"] == 13


def test_a_suspect_whose_neighbours_take_too_long_lets_others_go_first_and_then_waits_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(slot, "HOLD_SECONDS", 0.1)
    world = World("long", "suspect", "other", slots=2)
    world.part("long", "suspect")
    world.act("run", "long", lambda: world.await_all("publish other"))
    assert world.run() is True
    assert "release suspect" in world.noted
    assert world.order("run other", "isolate suspect", "publish suspect")
    assert world.status.snapshot()["counts"]["succeeded"] == 3


def test_patience_doubles_until_it_outlasts_every_application() -> None:
    assert [patience(times) for times in range(3)] == [60, 120, 240]
    assert patience(14) > 604_800
    assert patience(2**62) == patience(14)


def test_a_worker_that_is_told_to_stop_gives_a_waiting_suspect_back() -> None:
    world = World("a", "suspect", slots=2)
    world.part("a", "suspect")

    def stop() -> None:
        world.await_all("claim suspect")
        time.sleep(0.05)
        world.stopping.set()
        world.await_all("release suspect")

    world.act("run", "a", stop)
    assert world.run() is True
    assert "isolate suspect" not in world.noted
    assert world.status.snapshot()["counts"] == {"given back": 1, "succeeded": 1}
    assert [each.content for each in world.queue.messages] == ["suspect"]


def test_a_suspect_whose_message_is_another_workers_by_now_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World("a", "suspect", slots=2)
    world.part("a", "suspect")
    lost = threading.Event()
    monkeypatch.setattr(Claim, "lost", property(lambda claim: lost.is_set()))

    def lose() -> None:
        world.await_all("claim suspect")
        lost.set()
        world.await_all("release suspect")
        lost.clear()

    world.act("run", "a", lose)
    assert world.run() is True
    assert world.status.snapshot()["counts"]["succeeded"] == 2


def test_a_suspect_ahead_of_a_long_application_is_given_back_and_bars_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "HOLD_SECONDS", 0.1)
    monkeypatch.setattr(isolation, "WAIT_SECONDS", 0.05)
    world = World("a", "b", "suspect", "other", slots=2)
    world.part("a", "b")
    world.act("run", "a", lambda: world.await_all("publish other"))
    assert world.run() is True
    assert world.status.snapshot()["counts"]["succeeded"] == 4


@pytest.mark.parametrize("stage", ["isolate", "fetch", "run"])
def test_a_suspect_that_is_given_back_at_any_stage_lets_the_others_go_on(stage: str) -> None:
    world = World("suspect", "a", slots=1)

    def give_back() -> Processed:
        world.processor.acts.clear()
        message = world.processor.messages["suspect"]
        world.queue.give_back(message, message.content, 0)
        return Processed(outcome=Outcome.GIVEN_BACK)

    world.act(stage, "suspect", give_back)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"given back": 1, "succeeded": 2}


def test_after_a_suspect_messages_are_asked_for_one_by_one_until_one_is_none() -> None:
    one = Isolation(threading.Event())

    def take() -> None:
        assert one.enter()
        one.received(message=True)

    take()
    assert one.admit(suspect=True)
    one.leave()
    one.open()
    take()
    # What that one is has yet to be told.
    assert not one.enter()
    assert one.admit(suspect=False)
    assert one.enter()
    assert one.enter()


def test_alone_means_that_not_even_a_request_for_a_message_is_under_way() -> None:
    """Its answer may be a message, which would be in hand."""
    one = Isolation(threading.Event())
    assert one.enter()
    one.received(message=True)
    assert one.enter()
    assert one.admit(suspect=True)
    assert not one.alone(0.01, lambda: False)
    one.received(message=False)
    assert one.alone(0.01, lambda: False)
    assert not one.enter()
    one.open()
    assert one.enter()
