"""What ``make simulate`` runs: plans with names, some with targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.bench.measurement import Row, Samples, Target
from tests.simulation.figures import Figures
from tests.simulation.plan import DAY, Plan

TOPIC: Final = "simulation"
MEASURES: Final[Mapping[str, tuple[str, Callable[[Figures], float]]]] = {
    "executions": ("executions", lambda figures: figures.bill.runs),
    "useful": ("% of the billed time", lambda figures: 100 * figures.useful_share),
    "with work": ("% of the executions", lambda figures: 100 - 100 * figures.empty_share),
}


@dataclass(frozen=True)
class Scenario:
    """A plan by a name, and what its figures have to be; ``by_cohorts`` where it has too many files for one by one."""

    name: str
    plan: Plan
    targets: tuple[tuple[str, Target], ...] = ()
    by_cohorts: bool = False

    def rows(self, figures: Figures) -> list[Row]:
        """Return a row for each target."""
        return [
            Row(
                measure=f"{self.name}, {measure}",
                ours=Samples((MEASURES[measure][1](figures),)),
                target=target,
                topic=TOPIC,
                unit=MEASURES[measure][0],
            )
            for measure, target in self.targets
        ]


HOURS: Final = 3600.0
BURST: Final = Plan(app_seconds=20, files=1000, most=100, queue_length=10)
QUICK: Final = Plan(app_seconds=0.2, files=1000, most=100, queue_length=100)
TRICKLE: Final = Plan(app_seconds=20, arrival_seconds=4 * HOURS, files=240, pattern="trickle", queue_length=2)
MILLION: Final = Plan(
    app_seconds=2, arrival_seconds=DAY, files=1_000_000, most=100, pattern="day and night", queue_length=30, spread=0.5
)

_FEW: Final = ("executions", Target("at most", 110))
_MOSTLY: Final = ("useful", Target("at least", 75))
_WORK: Final = ("with work", Target("at least", 95))

# Each takes some seconds at most, so that a test can run all of them and hold the documents to what they give.
SCENARIOS: Final = (
    Scenario("1,000 files of 20 s at once", BURST, (_FEW, _MOSTLY)),
    Scenario("1,000 files of 0.2 s at once", QUICK, (("executions", Target("at most", 10)),)),
    Scenario("a file of 20 s each minute", replace(TRICKLE, pattern="steady"), (_WORK,)),
    Scenario("a file of 20 s each minute, by chance", TRICKLE, (_WORK,)),
    Scenario("1,000 files of 20 s that differ much, at once", replace(BURST, spread=1.0)),
    Scenario(
        "1,000 files of 20 s at once, 4 slots on 4 cores",
        replace(BURST, cpu=4, memory_gib=8, most=25, queue_length=40, slots=4),
    ),
    Scenario(
        "1,000 files of 20 s at once, container groups",
        Plan(app_seconds=20, files=1000, most=20, runner="containerInstances"),
    ),
    Scenario(
        "the same, 5 % of events lost, workers after 20 minutes",
        Plan(app_seconds=20, files=1000, losses_per_hour=3, lost_events=0.05, most=20, runner="containerInstances"),
    ),
    Scenario(
        "1,000 files of 20 s at once, as many lost, executions",
        replace(BURST, losses_per_hour=3, lost_events=0.05),
    ),
    Scenario("a day of 1,000,000 files of 2 s", MILLION, by_cohorts=True),
    Scenario(
        "a day of 30,000,000 files of 0.2 s",
        replace(MILLION, app_seconds=0.2, files=30_000_000, most=300, queue_length=300),
        by_cohorts=True,
    ),
    Scenario(
        "a day of 100,000,000 files of 0.2 s",
        replace(MILLION, app_seconds=0.2, files=100_000_000, most=1000, queue_length=300),
        by_cohorts=True,
    ),
)

# What becomes of a burst and of a trickle by queueLength, and of a trickle by idleSeconds, too.
LENGTHS: Final = {"20 s": (1, 5, 10, 50), "0.2 s": (1, 10, 100, 1000)}
IDLE: Final = (0, 5, 15, 60)
GRID: Final = (
    *(replace(BURST, queue_length=length) for length in LENGTHS["20 s"]),
    *(replace(QUICK, queue_length=length) for length in LENGTHS["0.2 s"]),
    *(replace(TRICKLE, idle_seconds=idle, queue_length=length) for length in (1, 2, 5) for idle in IDLE),
)


def grid_name(plan: Plan) -> str:
    """Return what tells a plan of the grid from the others."""
    what = f"{plan.files:,} at once" if plan.pattern == "burst" else "one each minute, by chance"
    return f"files of {plan.app_seconds:g} s, {what}: queueLength {plan.queue_length}, idleSeconds {plan.idle_seconds}"
