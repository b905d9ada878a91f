"""A role is waited for once, and for no longer than it takes from the moment that it was given."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.deployer.role_wait import RoleWaitProvider, remaining

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def properties(**more: Any) -> dict[str, Any]:
    return {"assignment_id": "one", "created_on": "2026-01-31T12:00:00.0000000Z", "seconds": 300, **more}


@pytest.mark.parametrize(
    ("created_on", "seconds"),
    [
        ("2026-01-31T11:58:00.1234567Z", 180.123456),
        ("2026-01-31T11:50:00+00:00", 0),
        # A clock that is wrong makes nobody wait for longer.
        ("2026-01-31T13:00:00Z", 300),
        (None, 300),
        ("yesterday", 300),
    ],
)
def test_the_time_since_the_role_was_given_counts(created_on: str | None, seconds: float) -> None:
    assert remaining(properties(created_on=created_on), lambda: NOW) == pytest.approx(seconds, abs=1e-3)


def test_each_assignment_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    provider = RoleWaitProvider()
    made = provider.create(properties(created_on=None)).outs
    assert made is not None
    assert slept == [300]
    assert provider.diff("id", made, properties(created_on="2026-01-31T12:00:00Z", seconds=900)).changes is False
    other = properties(assignment_id="other", created_on=None)
    assert provider.diff("id", made, other).changes
    provider.update("id", made, other)

    assert slept == [300, 300]


def test_a_role_is_deleted_once_it_is_known_that_nobody_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    RoleWaitProvider().delete("id", properties(free_seconds=30.0))
    # An assignment is no role, and stacks from before say nothing of it.
    RoleWaitProvider().delete("id", properties())
    assert slept == [30, 0]
