"""The scaler's formula, held against what KEDA's own code gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.services.keda import Scale, executions_to_start


def scale(most: int = 10, length: int = 1) -> Scale:
    return Scale(max_executions=most, polling_seconds=30, queue_length=length)


@pytest.mark.parametrize(
    ("messages", "at_work", "most", "length", "started"),
    [
        # What TestDefaultScalingStrategy of KEDA has: the running ones are taken off what the queue asks for.
        (0, 0, 10, 1, 0),
        (1, 0, 10, 1, 1),
        (3, 0, 10, 1, 3),
        (3, 1, 10, 1, 2),
        (3, 3, 10, 1, 0),
        (3, 5, 10, 1, 0),
        (100, 0, 10, 1, 10),
        (100, 9, 10, 1, 1),
        # Part of an execution is a whole one.
        (1, 0, 10, 5, 1),
        (5, 0, 10, 5, 1),
        (6, 0, 10, 5, 2),
        (11, 1, 10, 5, 2),
        # The most is not asked for in parts.
        (1000, 0, 3, 7, 3),
    ],
)
def test_so_many_are_started(messages: int, at_work: int, most: int, length: int, started: int) -> None:
    assert executions_to_start(messages, at_work, scale(most, length)) == started


@given(st.integers(0, 10**6), st.integers(0, 2000), st.integers(1, 1000), st.integers(1, 10**4))
def test_there_are_never_more_than_allowed_or_than_messages_and_none_waits_for_ever(
    messages: int, at_work: int, most: int, length: int
) -> None:
    started = executions_to_start(messages, at_work, scale(most, length))
    assert 0 <= started <= messages
    assert at_work + started <= max(most, at_work)
    if messages and not at_work:
        assert started
