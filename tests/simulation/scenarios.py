"""What ``make simulate`` runs: plans with names, some with targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.bench.measurement import Row, Samples, Target
from tests.simulation.figures import Figures
from tests.simulation.plan import Plan

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

_FEW: Final = ("executions", Target("at most", 110))
_MOSTLY: Final = ("useful", Target("at least", 75))
_WORK: Final = ("with work", Target("at least", 95))

# Each takes some seconds at most, so that a test can run all of them and hold the documents to what they give.
SCENARIOS: Final = (
    Scenario("1,000 files of 20 s at once", BURST, (_FEW, _MOSTLY)),
    Scenario("1,000 files of 0.2 s at once", QUICK, (("executions", Target("at most", 10)),)),
    Scenario(
        "a file of 20 s each minute",
        Plan(app_seconds=20, arrival_seconds=4 * HOURS, files=240, pattern="steady", queue_length=2),
        (_WORK,),
    ),
    Scenario("a file of 20 s each minute, by chance", TRICKLE, (_WORK,)),
    Scenario(
        "1,000 files of 20 s that differ much",
        Plan(app_seconds=20, files=1000, most=100, queue_length=10, spread=1.0),
    ),
    Scenario(
        "4 slots on 4 cores",
        Plan(app_seconds=20, cpu=4, files=1000, memory_gib=8, most=25, queue_length=40, slots=4),
    ),
    Scenario(
        "20 container groups",
        Plan(app_seconds=20, files=1000, most=20, runner="containerInstances"),
    ),
    Scenario(
        "lost: 5 % of the events, each worker after 20 minutes",
        Plan(app_seconds=20, files=1000, losses_per_hour=3, lost_events=0.05, most=20, queue_length=10),
    ),
)
