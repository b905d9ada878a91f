"""Sketches are exact for small data and close for large data."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.sample.csvreport.sketches import (
    DISTINCT_HASHES,
    RESERVOIR_SIZE,
    TOP_CANDIDATES,
    Distinct,
    Moments,
    Reservoir,
    TopValues,
    histogram,
    quantile,
)

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60)


@given(st.lists(st.text()))
def test_few_distinct_values_are_counted_exactly(values: list[str]) -> None:
    distinct = Distinct()
    for value in values:
        distinct.add(value)
    assert distinct.exact
    assert distinct.count == len(set(values))


def test_many_distinct_values_are_estimated_within_five_percent_however_often_they_come() -> None:
    distinct = Distinct()
    for number in [*range(60_000), *range(0, 60_000, 3)]:
        distinct.add(f"value {number}")
    assert not distinct.exact
    assert len(distinct._kept) == DISTINCT_HASHES
    assert distinct.count == pytest.approx(60_000, rel=0.05)


@given(NUMBERS)
def test_moments_agree_with_the_standard_library(values: list[float]) -> None:
    moments = Moments()
    for value in values:
        moments.add(value)
    assert (moments.minimum, moments.maximum, moments.count) == (min(values), max(values), len(values))
    assert moments.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert moments.deviation == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)


@given(NUMBERS)
def test_the_median_agrees_with_the_standard_library(values: list[float]) -> None:
    assert quantile(sorted(values), 0.5) == pytest.approx(statistics.median(values), rel=1e-9, abs=1e-9)


def test_a_large_stream_is_sampled_in_bounded_memory_and_its_quantiles_hold() -> None:
    chance, reservoir = random.Random(1), Reservoir()  # noqa: S311
    for _ in range(4 * RESERVOIR_SIZE):
        reservoir.add(chance.gauss(100, 15))
    ordered = reservoir.sorted()
    assert not reservoir.exact
    assert len(ordered) == RESERVOIR_SIZE
    assert quantile(ordered, 0.5) == pytest.approx(100, abs=0.5)
    assert quantile(ordered, 0.95) == pytest.approx(100 + 15 * 1.645, abs=0.7)


def test_top_values_are_ordered_by_count_then_alphabet() -> None:
    top = TopValues()
    for value in ["b", "a", "c", "a", "b", "d"]:
        top.add(value)
    assert top.most_common(3) == [("a", 2), ("b", 2), ("c", 1)]
    assert top.exact


def test_more_distinct_texts_than_are_kept_are_said_to_be_incomplete() -> None:
    top = TopValues()
    for number in range(TOP_CANDIDATES + 1):
        top.add(str(number))
    top.add("0")
    assert not top.exact
    assert top.most_common(1) == [("0", 2)]


@given(NUMBERS, st.integers(1, 40))
def test_a_histogram_counts_every_value_once_between_its_ends(values: list[float], bins: int) -> None:
    edges, counts = histogram(sorted(values), bins)
    assert sum(counts) == len(values)
    assert len(edges) == len(counts) + 1
    assert (edges[0], edges[-1]) == (min(values), max(values))


def test_equal_values_have_one_bin() -> None:
    assert histogram([3.0, 3.0], 24) == ([3.0, 3.0], [2])
    assert math.isclose(quantile([3.0], 0.9), 3.0)
