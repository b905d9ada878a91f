"""For how long the sweep may say nothing until somebody is told: what Azure Monitor takes and a schedule needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from infra.settings.schedule import longest_gap

# A line is there to be found within so many minutes, and so long nobody minds hearing nothing.
# Source: https://learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time
LINE_MINUTES: Final = 10
SILENT_MINUTES: Final = 30

# The windows that Azure Monitor takes, by their minutes, but those that are shorter than a line may take to get there.
# Source: https://github.com/Azure/azure-rest-api-specs/issues/21258
SILENT_WINDOWS: Final[Mapping[int, str]] = {
    15: "PT15M",
    30: "PT30M",
    45: "PT45M",
    60: "PT1H",
    120: "PT2H",
    180: "PT3H",
    240: "PT4H",
    300: "PT5H",
    360: "PT6H",
    1440: "P1D",
    2880: "P2D",
}


def silence_problem(minutes: int) -> str | None:
    """Return what is wrong with a number of minutes that the sweep may say nothing, or None."""
    if minutes in (0, *SILENT_WINDOWS):
        return None
    return f"Allowed: 0 for no such alert, or {', '.join(map(str, SILENT_WINDOWS))} minutes."


def silence_problems(minutes: int | None, schedule: str) -> list[str]:
    """Return what is wrong with such a number beside the sweep's schedule."""
    allowed = _silences(schedule)
    if not minutes or minutes in allowed:
        return []
    gap = longest_gap(schedule)
    passes = "no time ever comes up" if gap is None else f"up to {gap} minutes pass from one sweep to the next"
    return [
        f"alertSilentMinutes is {minutes}, but by sweepSchedule {schedule!r} {passes}, and a line takes up to "
        f"{LINE_MINUTES} more to be seen. Allowed: {', '.join(map(str, [0, *allowed]))}."
    ]


def silent_minutes(schedule: str) -> int:
    """Return for how long the sweep may say nothing where nobody said it: half an hour, or as its schedule needs.

    0, for no alert, is for a schedule that lets more time pass than an alert can look back.
    """
    return next((minutes for minutes in _silences(schedule) if minutes >= SILENT_MINUTES), 0)


def _silences(schedule: str) -> list[int]:
    gap = longest_gap(schedule)
    return [] if gap is None else [minutes for minutes in SILENT_WINDOWS if minutes >= gap + LINE_MINUTES]
