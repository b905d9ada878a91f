"""What a simulated run comes to: time, executions, what was billed and useful, requests and money."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.prices import (
    BLOB_READ,
    BLOB_WRITE_OR_LIST,
    FUNCTION_GB_SECOND,
    FUNCTION_RUN,
    HOURS,
    INSTANCE_GB,
    QUEUE_CALL,
)
from tests.simulation.plan import Plan
from tests.simulation.requests import Kind, Requests


@dataclass
class Bill:
    """What was run, from each start to what Azure calls its end.

    Whether the seconds before and after a worker are billed, Azure tells of no job, so all of them are in it.
    Sources: https://learn.microsoft.com/azure/container-apps/billing,
    https://azure.microsoft.com/pricing/details/container-instances/

    Attributes:
        at_work: so many have not ended.
        empty: so many brought no file to its receipt, and were not killed.
        most: so many were there side by side.
        runs: so many were started.
        seconds: of all together.
    """

    at_work: int = 0
    empty: int = 0
    most: int = 0
    runs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All of it.

    Attributes:
        bill: what was run.
        function_runs: how often the function was called.
        function_seconds: in so many seconds it was.
        makespan: from the beginning to the last receipt, in seconds.
        oldest: the longest that a file waited until its application was started, in seconds.
        plan: what was simulated.
        requests: to Azure.
        useful_seconds: of applications whose results count.
    """

    bill: Bill
    function_runs: float
    function_seconds: float
    makespan: float
    oldest: float
    plan: Plan
    requests: Requests
    useful_seconds: float

    @property
    def billed_hours(self) -> float:
        """Core hours that are paid for."""
        return self.bill.seconds * self.plan.cpu / 3600

    @property
    def useful_hours(self) -> float:
        """Core hours in which an application ran whose results count; each slot has its share of the cores."""
        return self.useful_seconds * self.plan.cpu / self.plan.slots / 3600

    @property
    def useful_share(self) -> float:
        """Useful over billed."""
        return self.useful_hours / self.billed_hours

    @property
    def empty_share(self) -> float:
        """Executions that found no work over all."""
        return self.bill.empty / self.bill.runs

    @property
    def busiest(self) -> tuple[Kind, float]:
        """What comes nearest to its limit, and which share of it is taken at the worst moment."""
        shares = self.requests.shares
        kind = max(shares, key=lambda each: (shares[each], each))
        return kind, shares[kind]

    @property
    def dollars(self) -> float:
        """What all of it costs, without free grants."""
        totals = self.requests.totals
        containers = HOURS[self.plan.runner].of(self.plan.cpu, self.plan.memory_gib) * self.bill.seconds / 3600
        storage = (totals["events"] + totals["jobs"]) * QUEUE_CALL
        storage += totals["blob reads"] * BLOB_READ + totals["blob writes"] * BLOB_WRITE_OR_LIST
        function = self.function_runs * FUNCTION_RUN + self.function_seconds * INSTANCE_GB * FUNCTION_GB_SECOND
        return containers + storage + function
