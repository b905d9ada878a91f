"""The chart: how far each number is from its target, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from tests.bench.measurement import Row, number

MET: Final = "#2b7a4b"
MISSED: Final = "#b3392f"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write an SVG or PNG (by the name's end) of all rows that have a target.

    A bar is the number over its target, or the other way round where less is better, on a logarithmic scale: from the
    line at 1 to the right it is better than asked for, to the left worse. The whisker is its spread.
    """
    judged = [(row, row.target) for row in rows if row.target]
    figure = Figure(figsize=(10, 1 + 0.45 * max(1, len(judged))), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    for place, (row, target) in enumerate(judged):
        low, high = row.judged.spread
        least = target.bound == "at least"
        values = [each / target.value if least else target.value / each for each in (row.judged.median, low, high)]
        middle, ends = values[0], sorted(values[1:])
        axes.barh(
            place,
            middle - 1,
            color=MET if row.verdict == "met" else MISSED,
            left=1,
            xerr=[[max(0.0, middle - ends[0])], [max(0.0, ends[1] - middle)]],
        )
        unit = " times" if row.ratio is not None and row.on_ratio else f" {row.unit}"
        label = f" {number(row.judged.median)}{unit}, {target.bound} {number(target.value)}"
        axes.annotate(
            label,
            (max(1.0, middle, ends[1]), place),
            fontsize=8,
            textcoords="offset points",
            va="center",
            xytext=(3, 0),
        )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(judged)), [f"{row.topic}: {row.measure}" for row, _ in judged], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.4)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", labelsize=8, which="both")
    axes.set_xlabel("better than the target →", fontsize=8)
    # Without a date and with fixed names, the same numbers give the same file.
    with rc_context({"svg.hashsalt": path.suffix}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
