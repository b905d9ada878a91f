"""What asking takes and costs: estimates, with what they are reckoned from.

The prices are those of the public pages for West Europe, rounded up; a subscription's own may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from infra.acceptance.asking import Question

DEPLOY_MINUTES: Final = 15
DESTROY_MINUTES: Final = 10

# https://azure.microsoft.com/pricing/details/container-instances/, US dollars: a core and a GiB for a minute.
CORE_MINUTE: Final = 0.05 / 60
GIB_MINUTE: Final = 0.006 / 60
# https://azure.microsoft.com/pricing/details/container-registry/, the Basic registry for an hour.
REGISTRY_HOUR: Final = 0.167 / 24
# https://azure.microsoft.com/pricing/details/monitor/: the alerts, 6 to 10 of at most 1.50 dollars a month.
ALERTS_HOUR: Final = 10 * 1.5 / 730
# The function (https://azure.microsoft.com/pricing/details/functions/), a GiB of log lines, storage and events
# together; most of it is within what each subscription has for free.
REST: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Minutes as a rule and at most, and US dollars."""

    dollars: float
    longest_minutes: float
    minutes: float


def estimate(questions: Sequence[Question]) -> Estimate:
    """Reckon what these questions take, with the deploy and the destroy."""
    around = DEPLOY_MINUTES + DESTROY_MINUTES
    minutes = around + sum(question.minutes for question in questions)
    containers = sum(question.container_minutes for question in questions) * (CORE_MINUTE + GIB_MINUTE)
    hours = minutes / 60
    return Estimate(
        dollars=containers + hours * (REGISTRY_HOUR + ALERTS_HOUR) + REST,
        longest_minutes=around + sum(question.limit_minutes for question in questions),
        minutes=minutes,
    )
