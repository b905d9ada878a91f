"""What a worker begins when it knows that its life ends, and what becomes of a file that its end cuts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from pipeline_app.contract import FileJob, least_lifetime, usable_seconds
from pipeline_app.worker.attempt import Claimed
from pipeline_app.worker.claim import Claim
from pipeline_app.worker.history import History
from pipeline_app.worker.lifetime import MAX_CUTS, Lifetime, process_age
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.storage import Message
from tests.logged import logged

JOB = FileJob(etag="0x1", event_id="e", name="incoming/a.csv", queued_at="2026-01-01T00:00:00.000Z", size=3)
LIFE = 1000.0
# Of a life of a thousand seconds, half a minute is not for files.
USABLE = 970.0


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 5000.0

    def lifetime(self, seconds: float = LIFE, **options: Any) -> Lifetime:
        return Lifetime(seconds, outside=Outside(monotonic=lambda: self.now), **options)


def claimed(job: FileJob = JOB, message: str = "m", *, whole: bool = False) -> Claimed:
    unused: Any = None
    return Claimed(
        claim=Claim(unused, Message(content="", dequeue_count=1, id=message, pop_receipt=""), 60),
        directory="",
        history=History(failed=0, isolated=0, shared=0),
        job=job,
        number=1,
        resources=ExitStack(),
        unseen=True,
        whole=whole,
    )


def cut(seconds: float, *, cuts: int = 0) -> FileJob:
    return replace(JOB, cut_milliseconds=round(seconds * 1000), cuts=cuts)


def test_a_worker_that_nothing_ends_begins_whatever_there_is_and_ends_for_nothing() -> None:
    clock = Clock()
    life = clock.lifetime(0, bound=lambda: pytest.fail("the configs are of no interest to it"))
    clock.now += 10**9
    life.note(10**6)
    assert life.allows(first=False)
    assert life.allows(ahead=True, first=False)
    assert life.fits(claimed(cut(10**7, cuts=MAX_CUTS)))
    assert life.verdict(cut(10**7, cuts=MAX_CUTS)) is None
    assert life.cut(JOB, 50.0, whole=True) == JOB
    assert life.spare == float("inf")


@pytest.mark.parametrize(("passed", "allowed"), [(0, True), (USABLE - 300, True), (USABLE - 299, False)])
def test_a_worker_claims_nothing_that_its_configs_let_take_longer_than_it_lives(passed: float, allowed: bool) -> None:
    clock = Clock()
    life = clock.lifetime(bound=lambda: 300.0)
    life.note(1.0)
    clock.now += passed
    assert life.allows(first=False) is allowed


@pytest.mark.parametrize(("passed", "allowed"), [(USABLE - 40, True), (USABLE - 39, False)])
def test_without_such_configs_it_claims_nothing_that_may_take_as_long_as_the_longest(
    passed: float, allowed: bool
) -> None:
    clock = Clock()
    life = clock.lifetime()
    for seconds in (3.0, 40.0, 2.0):
        life.note(seconds)
    clock.now += passed
    assert life.allows(first=False) is allowed


def test_a_fresh_worker_that_knows_nothing_claims_and_one_that_idled_for_half_its_life_does_not() -> None:
    clock = Clock()
    life = clock.lifetime()
    assert life.allows(first=True)
    clock.now += USABLE - LIFE / 2
    assert life.allows(first=True)
    clock.now += 1
    assert not life.allows(first=True)


def test_what_has_passed_of_its_life_before_it_began_to_count_is_not_there_any_more() -> None:
    clock = Clock()
    life = clock.lifetime(age=200.0)
    life.note(40.0)
    clock.now += USABLE - 200 - 40
    assert life.allows(first=False)
    clock.now += 1
    assert not life.allows(first=False)


def test_what_is_taken_ahead_has_to_fit_behind_what_runs() -> None:
    clock = Clock()
    life = clock.lifetime()
    life.note(100.0)
    clock.now += USABLE - 200
    assert life.allows(ahead=True, first=False)
    clock.now += 1
    assert not life.allows(ahead=True, first=False)
    # It may still be begun once what runs has ended early.
    assert life.allows(first=False)
    assert life.spare == 99.0


def test_a_file_that_was_cut_is_not_begun_with_less_time_than_it_had() -> None:
    clock = Clock()
    life = clock.lifetime()
    life.note(1.0)
    clock.now += USABLE - 500 - 20
    assert life.fits(claimed(cut(500)))
    clock.now += 1
    assert not life.fits(claimed(cut(500)))
    # Others are, and this worker goes on with them.
    assert life.fits(claimed(message="other"))
    assert life.allows(first=False)


def test_a_worker_that_meets_what_it_has_no_time_for_again_makes_room_for_a_fresh_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    clock = Clock()
    life = clock.lifetime()
    life.note(1.0)
    clock.now += USABLE - 100
    assert not life.fits(claimed(cut(500), "one"))
    assert not life.fits(claimed(cut(600), "other"))
    assert life.allows(first=False)
    assert not life.fits(claimed(cut(500), "one"))
    assert not life.allows(first=False)
    assert not life.allows(first=False)
    (event,) = logged(caplog)
    assert event.sentence() == "claims no more files: 130.0 s of its 1000 s are left, and what waits needs more"


def test_the_first_thing_of_a_whole_life_is_begun_unless_it_needs_more_than_that() -> None:
    clock = Clock()
    life = clock.lifetime()
    clock.now += LIFE * 0.05
    assert life.whole(first=True)
    assert not life.whole(first=False)
    assert life.fits(claimed(cut(999), whole=True))
    clock.now += 1
    assert not life.whole(first=True)


@pytest.mark.parametrize(
    ("passed", "whole", "expected"),
    [
        # A whole life was not enough.
        (1000.2, True, cut(1000)),
        # It had come later.
        (1000.2, False, cut(600)),
        # A deploy ended its worker, which says nothing but that it takes longer.
        (300.0, True, cut(600)),
        # The platform's clock began earlier than the worker's, or it was a deploy.
        (800.0, True, cut(600, cuts=1)),
    ],
)
def test_a_message_says_how_long_its_file_was_worked_on(passed: float, whole: bool, expected: FileJob) -> None:
    clock = Clock()
    life = clock.lifetime()
    clock.now += passed
    assert life.cut(JOB, 600.0, whole=whole) == expected
    assert life.cut(cut(2000), 600.0, whole=whole).cut_milliseconds == 2_000_000


def test_a_file_that_a_whole_life_was_not_enough_for_fails_with_the_seconds_and_the_fix() -> None:
    clock = Clock()
    life = clock.lifetime()
    reason = life.verdict(cut(1000))
    assert reason == (
        "The application had not come to its end within 1000 seconds, and no worker lives longer than 1000 "
        "(replicaTimeoutSeconds). Raise replicaTimeoutSeconds, or set runner to containerInstances, which ends no "
        "worker. Then 'retry' the file."
    )
    # Whichever worker meets it, as it takes no time.
    clock.now += 900
    assert life.fits(claimed(cut(1000)))
    assert life.verdict(cut(999)) is None
    assert clock.lifetime(LIFE + 1).verdict(cut(1000)) is None


def test_a_file_that_is_cut_again_and_again_with_nothing_before_it_fails_in_the_end() -> None:
    life = Clock().lifetime()
    assert life.verdict(cut(600, cuts=MAX_CUTS - 1)) is None
    reason = life.verdict(cut(600, cuts=MAX_CUTS))
    assert reason is not None
    assert f"in {MAX_CUTS} workers" in reason
    assert "1000 seconds (replicaTimeoutSeconds)" in reason
    assert "when it had run for 600" in reason


@pytest.mark.parametrize(("bound", "fails"), [(USABLE, False), (USABLE + 0.5, True)])
def test_configs_that_no_life_is_long_enough_for_fail_each_file_at_once(bound: float, fails: bool) -> None:
    clock = Clock()
    life = clock.lifetime(bound=lambda: bound)
    reason = life.verdict(JOB)
    assert (reason is not None) is fails
    if reason is not None:
        assert "timeout_seconds of the configs come to 970.5 seconds" in reason
        assert "Raise replicaTimeoutSeconds to 1031, lower timeout_seconds, or set runner" in reason
        # One worker gives all of them their receipts.
        clock.now += 900
        assert life.allows(first=False)
        assert life.fits(claimed())


@pytest.mark.parametrize("seconds", [0.5, 9.0, 60.0, 269.0, 270.0, 271.0, 4200.0])
def test_the_least_lifetime_for_so_many_seconds_has_them_and_a_second_less_has_not(seconds: float) -> None:
    least = least_lifetime(seconds)
    assert usable_seconds(least) >= seconds
    assert usable_seconds(least - 1) < seconds


def test_the_age_of_a_process_counts_from_its_start_and_not_from_where_it_is_asked() -> None:
    script = "import time; time.sleep(0.5); from pipeline_app.worker.lifetime import process_age; print(process_age())"
    began = time.monotonic()
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    # The kernel tells the moment in hundredths.
    assert float(told.stdout) + 1 / os.sysconf("SC_CLK_TCK") >= 0.5
    assert float(told.stdout) <= time.monotonic() - began + 1 / os.sysconf("SC_CLK_TCK")
    assert process_age() > 0
