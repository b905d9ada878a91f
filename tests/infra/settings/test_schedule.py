"""Schedules have the six fields of an Azure Functions timer."""

from __future__ import annotations

import pytest

from infra.settings.schedule import longest_gap, schedule_problem


@pytest.mark.parametrize(
    "expression",
    [
        "0 * * * * *",
        "0 */5 * * * *",
        "0 0 9-17 * * MON-FRI",
        "30 0,15,45 * 1 JAN *",
        "0 0 0 1-31/2 * 0",
        "*/10 * * * * *",
    ],
)
def test_a_six_field_schedule_is_taken(expression: str) -> None:
    assert schedule_problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "0 fields"),
        ("*/5 * * * *", "5 fields"),
        ("0 * * * * * *", "7 fields"),
        ("60 * * * * *", "second '60'"),
        ("0 60 * * * *", "minute '60'"),
        ("0 0 24 * * *", "hour '24'"),
        ("0 0 0 0 * *", "day '0'"),
        ("0 0 0 * 13 *", "month '13'"),
        ("0 0 0 * * 7", "weekday '7'"),
        ("0 0 0 * * FRI-MON", "weekday 'FRI-MON'"),
        ("0 */0 * * * *", "minute '*/0'"),
        ("0 1, * * * *", "minute ''"),
        ("0 *-5 * * * *", "minute '*-5'"),
        ("@ * * * * *", "second '@'"),
        ("0 MON * * * *", "minute 'MON'"),
    ],
)
def test_another_schedule_is_refused_with_the_field_that_is_wrong(expression: str, reason: str) -> None:
    problem = schedule_problem(expression)
    assert problem is not None
    assert reason in problem


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("*/10 * * * * *", 1),
        ("0 */5 * * * *", 5),
        # Every seven minutes from each full hour on, so that four lie between the last and the next full hour.
        ("0 */7 * * * *", 7),
        ("0 0,50 * * * *", 50),
        ("0 5/20 * * * *", 20),
        ("0 0 * * * *", 60),
        ("0 30 2 * * *", 24 * 60),
        ("0 0 9-17 * * *", 16 * 60),
        ("0 0 9-17 * * MON-FRI", 64 * 60),
        ("0 0 0 1 * *", 31 * 24 * 60),
        ("0 0 0 29 2 *", 1461 * 24 * 60),
        ("0 0 0 31 FEB *", None),
    ],
)
def test_the_longest_time_between_two_runs_is_known(expression: str, minutes: int | None) -> None:
    assert schedule_problem(expression) is None
    assert longest_gap(expression) == minutes
