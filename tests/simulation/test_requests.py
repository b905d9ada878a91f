"""Requests are held against what Azure answers in a second, or from a bucket that fills again."""

from __future__ import annotations

import pytest

from tests.simulation.requests import LIMITS, Requests


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_queue_answers_so_many_in_each_second_whatever_was_before() -> None:
    clock = Clock()
    requests = Requests(clock)
    for second in range(5):
        clock.now = float(second)
        requests.note("jobs", 3000)
    assert requests.shares["jobs"] == pytest.approx(1.5)
    assert requests.totals["jobs"] == 15_000


def test_resource_manager_answers_from_a_bucket_that_fills_again() -> None:
    clock = Clock()
    requests = Requests(clock)
    requests.note("starts", 200)
    assert requests.shares["starts"] == pytest.approx(1.0)
    clock.now = 10.0
    requests.note("starts", 100)
    assert requests.shares["starts"] == pytest.approx(1.0)
    requests.note("starts", 100)
    assert requests.shares["starts"] == pytest.approx(1.5)


def test_reads_and_writes_of_blobs_share_a_limit() -> None:
    requests = Requests(lambda: 0.0)
    requests.note("blob reads", 5000)
    requests.note("blob writes", 5000)
    assert requests.totals["blobs"] == 10_000
    assert requests.shares["blobs"] == pytest.approx(10_000 / LIMITS["blobs"].rate)
