"""What goes wrong around a suspect: outages and mistakes let the others go on."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline_app.worker.attempt import Processed
from tests.memory.worker import Outage
from tests.worker.suspects import World


@pytest.mark.parametrize("stage", ["claim", "isolate", "fetch", "run", "publish"])
@pytest.mark.parametrize("slots", [1, 2])
def test_an_outage_in_a_stage_of_a_suspect_leaves_it_to_its_claim_and_lets_the_others_go_on(
    stage: str, slots: int
) -> None:
    world = World("suspect", "a", "b", slots=slots)

    def fail() -> Processed | None:
        world.processor.acts.clear()
        world.queue.expire_once_left("suspect")
        raise Outage

    world.act(stage, "suspect", fail)
    assert world.run() is True
    counts = world.status.snapshot()["counts"]
    # What another slot has claimed by the time that the suspect is isolated is given back.
    assert (counts["lost"], counts["succeeded"]) == (1, 3)


@pytest.mark.parametrize("stage", ["claim", "isolate", "fetch", "run", "publish"])
@pytest.mark.parametrize("slots", [1, 2])
def test_a_mistake_in_any_stage_of_a_suspect_breaks_the_worker_off_without_hanging(stage: str, slots: int) -> None:
    world = World("suspect", "a", "suspect-2", slots=slots)

    def fail() -> Processed | None:
        raise ZeroDivisionError

    world.act(stage, "suspect", fail)
    assert world.run() is False
    assert world.status.snapshot()["counts"]["broken off"] == 1


def test_a_mistake_in_a_neighbours_work_ends_a_waiting_suspect_too() -> None:
    world = World("a", "suspect", slots=2)
    world.part("a", "suspect")

    def fail() -> Processed | None:
        world.await_all("claim suspect")
        raise ZeroDivisionError

    world.act("run", "a", fail)
    assert world.run() is False
    assert "isolate suspect" not in world.noted
    assert "release suspect" in world.noted


def test_a_mistake_while_results_go_out_is_not_waited_for_by_the_suspect_behind_them() -> None:
    world = World("a", "suspect", slots=1)
    too_late = threading.Timer(10, world.stopping.set)

    def fail() -> Processed | None:
        world.await_all("claim suspect")
        time.sleep(0.3)
        raise ZeroDivisionError

    world.act("publish", "a", fail)
    too_late.start()
    assert world.run() is False
    assert not too_late.finished.is_set()
    too_late.cancel()
    assert "isolate suspect" not in world.noted
    assert "release suspect" in world.noted
