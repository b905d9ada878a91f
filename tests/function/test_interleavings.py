"""No job is left on the queue without a worker that will look or a wake-up, in whatever order things happen.

Each part of the rule in ``pipeline_function/wakeups.py`` is taken out once, and must be missed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_function import handlers, wakeups
from pipeline_function.events import Ignored, job_of_event
from pipeline_function.runners import RunnersUnavailable
from pipeline_function.services import Services
from pipeline_function.wakeups import WakeUps
from tests.function import turns
from tests.function.exploring import explore, wander
from tests.function.world import Broken, Limits, World


def event(name: str) -> bytes:
    """Return the body of an event for an upload."""
    return json.dumps(
        {
            "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/appstorage1",
            "subject": f"/blobServices/default/containers/pipeline-files/blobs/incoming/{name}",
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": name,
            "data": {"api": "PutBlob", "contentLength": 3, "eTag": "0x1"},
        }
    ).encode()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let locks be seen, and all times be short, so that there are few moments to go through."""
    monkeypatch.setattr(wakeups, "Lock", turns.Lock)
    monkeypatch.setattr(wakeups, "MAX_SECONDS", 2)
    monkeypatch.setattr(wakeups, "RETRY_SECONDS", 2)


SCENARIOS: dict[str, dict[str, Any]] = {
    "a fault of the storage": {"bodies": [b"a"], "limits": {"storage_faults": 1, "ticks": 2}},
    "a killed worker": {"bodies": [b"a"], "limits": {"ticks": 4, "worker_kills": 1}},
    "a lost instance": {"bodies": [b"a"], "limits": {"lost": 1, "ticks": 2}},
    "one event": {"bodies": [b"a"], "limits": {"ticks": 4}},
    "one event on two instances": {"bodies": [b"a"], "instances": 2, "limits": {"ticks": 2}},
    "refusals of Azure": {"bodies": [b"a"], "limits": {"refused": 2, "ticks": 2}},
    "slow answers": {"bodies": [b"a", b"a"], "limits": {"ticks": 2}, "slow_answers": True},
    "two events at once on one instance": {"bodies": [b"a", b"a"], "limits": {"ticks": 1}, "threads": 2},
    "two events on two instances": {"bodies": [b"a", b"a"], "instances": 2, "limits": {"ticks": 1}},
    "two events, one after the other": {"bodies": [b"a", b"a"], "limits": {"ticks": 2}},
}


def world(name: str, **changes: Any) -> World:
    scenario = SCENARIOS[name] | changes
    bodies = [event(body.decode()) for body in scenario["bodies"]]
    return World(**scenario | {"bodies": bodies, "limits": Limits(**scenario["limits"])})


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_every_order_a_job_has_a_worker_that_will_look_or_a_wake_up(name: str) -> None:
    assert explore(lambda: world(name), 50_000).histories > 100


def chances(seed: int) -> Iterator[float]:
    chance = random.Random(seed)  # noqa: S311 -- a seed repeats it.
    while True:
        yield chance.random()


@pytest.mark.parametrize("seed", range(8))
def test_larger_worlds_settle_whatever_happens_by_chance(seed: int) -> None:
    for number in range(25):
        made = World(
            [event(name) for name in "abcdef"],
            Limits(lost=1, refused=3, storage_faults=1, ticks=20, worker_kills=2),
            instances=3,
            threads=2,
        )
        wander(made, chances(1000 * seed + number), 400)


class TrustsAzure(WakeUps):
    """Puts a wake-up only where the look found something amiss."""

    def _see_to_it(self) -> None:
        if not self._may_look():
            self._see_that_one_comes(wakeups.SOON_SECONDS)
            return
        look = self._look()
        self._looked(look)
        if not look.calm:
            self._see_that_one_comes(wakeups.RETRY_SECONDS)


class LeavesItToTheOther(WakeUps):
    """Does nothing at all where somebody else looks, or has just looked."""

    def _see_to_it(self) -> None:
        if self._may_look():
            self._looked(self._look())
            self._see_that_one_comes(wakeups.RETRY_SECONDS)


class RemembersForEver(WakeUps):
    """Counts on a wake-up that may have been taken already."""

    def _see_that_one_comes(self, seconds: int) -> None:
        with self._putting:
            if not self._coming:
                self._put(seconds)
                self._coming.append(wakeups._Coming(0, 0))


class ReadsTheClockTooLate(WakeUps):
    """Takes the moment at which a wake-up was put for that at which putting it was begun."""

    def _see_that_one_comes(self, seconds: int) -> None:
        with self._putting:
            moment = self._clock()
            self._coming = [each for each in self._coming if each.earliest > moment]
            if not any(each.latest <= moment + seconds for each in self._coming):
                self._put(seconds)
                moment = self._clock() + seconds
                self._coming.append(wakeups._Coming(moment - wakeups.MARGIN_SECONDS, moment))


def wakes_up_first(body: bytes, services: Services) -> None:
    """Put the wake-up before the job."""
    if body == wakeups.WAKE_UP:
        handlers._wake_up(services)
        return
    services.wake_ups.job_was_put()
    job = job_of_event(body, services.names, services.storage.account)
    assert not isinstance(job, Ignored)
    services.storage.put(job)


def takes_a_fault_for_none(services: Services) -> None:
    """End the wake-ups where the jobs could not be counted."""
    try:
        jobs = services.storage.job_count()
    except RunnersUnavailable:
        jobs = 0
    if jobs:
        services.wake_ups.jobs_are_there()


@pytest.mark.parametrize(
    ("name", "limits", "other"),
    [
        ("a fault of the storage", {"storage_faults": 1, "ticks": 3, "worker_kills": 1}, takes_a_fault_for_none),
        ("one event on two instances", {"ticks": 1}, wakes_up_first),
        ("slow answers", {"ticks": 2}, ReadsTheClockTooLate),
        ("two events at once on one instance", {"ticks": 1}, LeavesItToTheOther),
        ("two events on two instances", {"ticks": 1}, TrustsAzure),
        ("two events, one after the other", {"ticks": 2}, RemembersForEver),
        ("two events, one after the other", {"ticks": 3}, "no margin"),
    ],
)
def test_no_part_of_the_rule_can_be_left_out(
    monkeypatch: pytest.MonkeyPatch, name: str, limits: dict[str, int], other: Any
) -> None:
    changes = {}
    if isinstance(other, type):
        changes["make"] = other
    elif other is wakes_up_first:
        monkeypatch.setattr(handlers, "dispatch", other)
    elif other is takes_a_fault_for_none:
        monkeypatch.setattr(handlers, "_wake_up", other)
    else:
        monkeypatch.setattr(wakeups, "MARGIN_SECONDS", 0.0)
    with pytest.raises(Broken, match="nothing wakes anybody up"):
        explore(lambda: world(name, limits=limits, **changes), 50_000)
