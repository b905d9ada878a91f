"""Ratios, verdicts, tables and charts say what was measured and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import report
from tests.bench.chart import draw
from tests.bench.measurement import Result, Samples, Target, number, text_of
from tests.bench.rows import row


def test_ratios_are_taken_round_by_round() -> None:
    assert row().ratio == Samples((1.0, 2.0))
    assert row(inverse=True).ratio == Samples((1.0, 0.5))
    assert row(peer=False).ratio is None


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target("at least", 0.8), 0.8, "met"),
        (Target("at least", 0.8), 0.6, "missed by 25%"),
        (Target("at most", 2.0), 2.0, "met"),
        (Target("at most", 2.0), 3.0, "missed by 50%"),
        (Target("at least", 95.0), 94.9, "missed by 0.1%"),
    ],
)
def test_verdict_says_by_how_much_a_target_is_missed(target: Target, value: float, verdict: str) -> None:
    assert target.verdict(value) == verdict


def test_target_speaks_of_the_ratio_where_there_is_a_peer() -> None:
    assert row(target=Target("at most", 3.0)).judged == Samples((1.0, 2.0))
    assert row(peer=False, target=Target("at most", 3.0)).judged == Samples((2.0, 4.0))


def test_spread_is_the_quartiles_of_enough_values() -> None:
    assert Samples((1.0, 2.0, 3.0)).spread == (1.0, 3.0)
    assert Samples((0.0, 1.0, 2.0, 3.0, 100.0)).spread == (1.0, 3.0)
    assert Samples(tuple(map(float, range(1, 201)))).percentile(99) == 198.0
    assert text_of(Samples((2.0, 4.0))) == "3 (2 to 4)"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.000206, "0.000206"), (12.345, "12.3"), (999.4, "999"), (12345.6, "12,346")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_table_and_markdown_have_every_row_and_what_is_left_out() -> None:
    results = {
        "one": Result(
            details=["a call"],
            missing=["a peer is not there"],
            rows=[row(target=Target("at most", 1.0))],
            skipped=["an engine is not there"],
        )
    }
    console = Console(record=True, width=200)
    report.show(results, console)
    for text in (console.export_text(), report.markdown(results)):
        for part in ("a measure", "a peer", "at most 1", "missed by 50%", "a call", "is not there", "an engine"):
            assert part in text


def test_chart_has_a_bar_for_each_target(tmp_path: Path) -> None:
    rows = [row(target=Target("at most", 2.0)), row(), row(peer=False, target=Target("at least", 1.0))]
    draw(rows, tmp_path / "chart.svg")
    draw(rows, tmp_path / "chart.png")
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
