"""What is simulated: files that arrive, an application, a runner with its settings, and what goes wrong."""

from __future__ import annotations

import json
import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal

from infra.settings.runner_limits import RunnerKind

DAY: Final = 86_400.0
HOST: Final = json.loads((Path(__file__).parents[2] / "function/host.json").read_text(encoding="utf-8"))
# By night one file comes where by day 19 come.
SWING: Final = 0.9
_STEPS: Final = 1440

Pattern = Literal["burst", "day and night", "steady", "trickle"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All of it; the settings have the names and the defaults of the stack's own (``infra/settings/config.py``).

    Attributes:
        files: how many arrive.
        app_seconds: what the application takes for one, on average.
        spread: standard deviation of the logarithm of what it takes; 0 where it always takes the same.
        pattern: ``burst``: all at once; ``steady``: at equal distances; ``trickle``: at distances by chance, as where
            many people upload; ``day and night``: more of them by day.
        arrival_seconds: within so many seconds they arrive.
        runner: what runs the workers.
        most: so many of them side by side: ``maxExecutions`` or ``containerGroupCount``.
        claim_seconds: as ``claimSeconds``.
        cpu: cores of each, as ``containerCpu``.
        memory_gib: as ``containerMemoryGib``.
        idle_seconds: as ``idleSeconds``.
        max_attempts: as ``maxAttempts``.
        polling_seconds: as ``pollingSeconds``.
        queue_length: as ``queueLength``.
        replica_timeout_seconds: as ``replicaTimeoutSeconds``.
        slots: as ``slots``.
        start_seconds: from the start of an execution or a group to its worker.
        end_seconds: from the end of a worker until Azure says that its execution or its group has ended.
        lost_events: which share of the uploads has no event.
        losses_per_hour: how often a worker is killed, in each hour that it runs.
        inputs_stay: whether inputs that are done stay in the listing of a sweep, or leave it, as with the setting
            ``afterSuccess``; what it costs to list many, the benchmark measures.
        call_seconds: what a request to the storage takes: next to nothing in the same region.
        event_seconds: from an upload to its event on the queue.
        seed: the same one gives the same run.
    """

    files: int
    app_seconds: float
    spread: float = 0.0
    pattern: Pattern = "burst"
    arrival_seconds: float = 0.0
    runner: RunnerKind = "containerAppsJob"
    most: int = 10
    claim_seconds: int = 60
    cpu: float = 1.0
    memory_gib: float = 2.0
    idle_seconds: int = 15
    max_attempts: int = 3
    polling_seconds: int = 30
    queue_length: int = 2
    replica_timeout_seconds: int = 7200
    slots: int = 1
    start_seconds: float = 31.0
    end_seconds: float = 15.0
    lost_events: float = 0.0
    losses_per_hour: float = 0.0
    inputs_stay: bool = False
    call_seconds: float = 0.01
    event_seconds: float = 1.0
    seed: int = 1

    def arrivals(self, chance: random.Random) -> Iterator[float]:
        """Return the moments at which the files arrive, in order."""
        each = self.arrival_seconds / self.files
        moment = 0.0
        for number in range(self.files):
            if self.pattern == "trickle":
                yield moment
                moment += chance.expovariate(1 / each)
            elif self.pattern == "day and night":
                yield self.arrival_seconds * moment_of_day((number + chance.random()) / self.files)
            else:
                yield number * each

    def arrived(self, moment: float) -> float:
        """Return how many files have come until a moment, where they are so many that chance has no weight."""
        if moment < 0:
            return 0.0
        if moment >= self.arrival_seconds:
            return self.files
        share = moment / self.arrival_seconds
        return self.files * (come_by(share) if self.pattern == "day and night" else share)

    def app_time(self, chance: random.Random) -> float:
        """Return what the application takes for one file."""
        if not self.spread:
            return self.app_seconds
        return chance.lognormvariate(math.log(self.app_seconds) - self.spread**2 / 2, self.spread)


def moment_of_day(share: float) -> float:
    """Return at which share of a day, which begins at midnight, so much of its files has come."""
    come = _come()
    step = min(max(bisect_right(come, share) - 1, 0), _STEPS - 1)
    within = come[step + 1] - come[step]
    return (step + (share - come[step]) / within) / _STEPS


def come_by(share: float) -> float:
    """Return which share of a day's files has come by so much of it; the other way round it is ``moment_of_day``."""
    step = min(int(share * _STEPS), _STEPS - 1)
    come = _come()
    return come[step] + (share * _STEPS - step) * (come[step + 1] - come[step])


@lru_cache(maxsize=1)
def _come() -> Sequence[float]:
    rates = [1 - SWING * math.cos(2 * math.pi * (step + 0.5) / _STEPS) for step in range(_STEPS)]
    total = sum(rates)
    return [0.0, *accumulate(rate / total for rate in rates)]
