"""Many files as one come to the same as one by one, where both can be done."""

from __future__ import annotations

import math

import pytest

from tests.simulation.cohorts import Cohorts
from tests.simulation.plan import DAY, Plan, come_by, moment_of_day
from tests.simulation.requests import Kind
from tests.simulation.scenarios import BURST, QUICK
from tests.simulation.world import World

# What both say of a plan differs by this share at most; of few executions, by two. Where far fewer workers are needed
# than are there, those of the cohorts end later, so that more is billed than of files one by one, and never less.
CLOSE = 0.15
MORE = 0.5
SAME_BURST = 0.02

PLANS = {
    "a burst": (BURST, SAME_BURST, SAME_BURST),
    "a burst of short files": (QUICK, SAME_BURST, SAME_BURST),
    "days and nights": (
        Plan(
            app_seconds=3,
            arrival_seconds=DAY / 48,
            files=4000,
            most=60,
            pattern="day and night",
            queue_length=5,
            spread=0.5,
        ),
        CLOSE,
        CLOSE,
    ),
    "more than one replica lives": (
        Plan(app_seconds=3, files=3000, most=8, queue_length=5, replica_timeout_seconds=300),
        CLOSE,
        CLOSE,
    ),
    "several slots": (Plan(app_seconds=5, files=1000, most=20, queue_length=20, slots=4), CLOSE, CLOSE),
    "steady": (
        Plan(app_seconds=3, arrival_seconds=1200, files=3000, most=60, pattern="steady", queue_length=5),
        CLOSE,
        MORE,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_cohorts_agree_with_files_one_by_one(name: str) -> None:
    plan, close, billed = PLANS[name]
    one, many = World(plan).run(), Cohorts(plan).run()
    assert many.makespan == pytest.approx(one.makespan, rel=close)
    assert many.bill.runs == pytest.approx(one.bill.runs, rel=close, abs=2)
    assert many.bill.most == pytest.approx(one.bill.most, rel=close, abs=2)
    assert many.billed_hours == pytest.approx(one.billed_hours, rel=billed)
    assert many.billed_hours > one.billed_hours * (1 - close)
    assert many.useful_hours == pytest.approx(one.useful_hours, rel=close)
    assert many.oldest == pytest.approx(one.oldest, rel=close, abs=5)
    assert many.dollars == pytest.approx(one.dollars, rel=billed)
    kinds: tuple[Kind, ...] = ("blobs", "events", "jobs")
    for kind in kinds:
        assert many.requests.totals[kind] == pytest.approx(one.requests.totals[kind], rel=billed + CLOSE), kind


def test_cohorts_do_each_file_once_and_no_more_are_at_work_than_may_be() -> None:
    plan = Plan(app_seconds=0.2, arrival_seconds=3600, files=1_000_000, most=100, pattern="steady", queue_length=20)
    cohorts = Cohorts(plan)
    figures = cohorts.run()
    assert cohorts.done == pytest.approx(plan.files, abs=0.5)
    assert figures.useful_seconds == pytest.approx(plan.files * plan.app_seconds, rel=1e-6)
    assert figures.bill.most == 100


def test_other_runners_are_refused() -> None:
    with pytest.raises(ValueError, match="containerInstances"):
        Cohorts(Plan(app_seconds=1, files=1, runner="containerInstances"))


def test_a_day_comes_the_same_both_ways() -> None:
    for share in (0.0, 0.1, 0.25, 0.5, 0.77, 1.0):
        assert come_by(moment_of_day(share)) == pytest.approx(share, abs=1e-9)
    # By noon half has come, and at noon most comes.
    assert come_by(0.5) == pytest.approx(0.5)
    assert math.isclose(come_by(0.51) - come_by(0.5), 0.019, abs_tol=0.0005)
