"""How long the sweep takes to find what was lost among very many inputs, what memory it takes, and what that costs.

A million inputs are gone through. 100 million are a simulation of the service's latency and of the processor's time for
a page, as the million had it; one run over so many is made all the same, for its memory and for its pages.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from matplotlib.figure import Figure

from tests.bench.audit_account import PAGE_SECONDS, PER_PAGE
from tests.bench.audit_figures import GRACE, MINUTE, Limits, Pass
from tests.bench.idle import MINUTES_PER_MONTH
from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.prices import BLOB_WRITE_OR_LIST, FUNCTION_GB_SECOND, INSTANCE_GB
from tests.bench.processes import PROJECT
from tests.bench.setting import Setting

TOPIC: Final = "audit"

CURVE: Final = "audit.svg"
MANY: Final = 1_000_000
MOST: Final = 100_000_000
# Of the default of sweepPauseSeconds.
PAUSE_MINUTES: Final = 15.0
QUICK: Final = 10_000

FIRST_PASS: Final = Target("at most", 10)
MEMORY: Final = Target("at most", 200)
REPAIRS: Final[Mapping[int, Target]] = {MANY: Target("at most", 5), MOST: Target("at most", 60)}


class Audit(NamedTuple):
    """What is known of so many inputs: minutes of the first pass, of one that knows its segments, and of its runs.

    No more than ``pages_per_second`` are listed on average.
    """

    inputs: int
    first: float
    settled: float
    running: float
    pages_per_second: int

    @property
    def cycle(self) -> float:
        """Minutes from the beginning of a pass to that of the next, where something is always to do."""
        return max(1.0, math.ceil(self.settled), self.inputs / PER_PAGE / self.pages_per_second / MINUTE)

    @property
    def repair(self) -> float:
        """Minutes after which an input whose event was lost is queued at the latest, while files come.

        It is left alone for ``sweepGraceSeconds``; the pass may just have gone by, so that the next one finds it at its
        end; and with a worker about, the run after that looks again.
        """
        return GRACE.total_seconds() / MINUTE + self.cycle + self.settled + 1

    def dollars(self, pause: float = 0) -> tuple[float, float]:
        """Return what listing and what the function's time costs in a month, with so many minutes between passes."""
        passes = MINUTES_PER_MONTH / max(self.cycle, self.settled + pause)
        listing = passes * math.ceil(self.inputs / PER_PAGE) * BLOB_WRITE_OR_LIST
        return listing, passes * self.running * MINUTE * INSTANCE_GB * FUNCTION_GB_SECOND


def measure(setting: Setting) -> Result:
    """Go through a million inputs, make one run over 100 million, and draw what comes of it."""
    many, most = (QUICK, QUICK * 10) if setting.quick else (MANY, MOST)
    seconds = 0.01 if setting.quick else PAGE_SECONDS
    setting.say(f"{TOPIC}: {many:,} inputs")
    limits, (first, settled, lost) = run(many, seconds, "first")
    setting.say(f"{TOPIC}: {most:,} inputs")
    _, (one,) = run(most, seconds, "run")
    processor = settled.processor / max(1, settled.pages)

    def simulated(count: int) -> Audit:
        return projected(count, first.running / many, processor, seconds, limits)

    folder = PROJECT / ".build"
    folder.mkdir(exist_ok=True)
    curve([simulated(10**power) for power in range(4, 9)], folder / CURVE)
    result = Result(details=[f"The curve is in .build/{CURVE}."])
    took = (first.seconds / MINUTE, settled.seconds / MINUTE, settled.running / MINUTE)
    measured = Audit(many, *took, limits.pages_per_second)
    result.rows += [*rows(measured, "measured"), *rows(simulated(most), "simulated")]
    result.rows += [
        _row("memory of the sweep", max(lost.mebibytes, one.mebibytes), "MiB", "whole process, at most", MEMORY),
        _row("processor time for a page of 5,000", processor * 1000, "ms", "settled"),
        _row(f"pages in one run, {most:,} inputs", one.pages, "pages", f"in {one.running:.0f} s here, not simulated"),
        _row("what the sweep remembers", one.state_bytes / 1024, "KiB", f"{limits.max_segments} segments"),
    ]
    return result


def run(count: int, seconds: float, what: str) -> tuple[Limits, list[Pass]]:
    """Serve an account of so many inputs, and sweep over it in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'function'}"}
    pages = str(math.ceil(count / PER_PAGE))
    serve = [sys.executable, "-m", "tests.bench.audit_account", pages, str(seconds)]
    with subprocess.Popen(serve, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = (server.stdout.readline() if server.stdout else "").strip()
            sweep = [sys.executable, "-m", "tests.bench.audit_run", port, pages, what]
            done = subprocess.run(sweep, capture_output=True, check=False, cwd=PROJECT, env=environment, text=True)
        finally:
            server.terminate()
    if done.returncode:
        raise RuntimeError(f"{' '.join(sweep)} failed:\n{done.stderr}")
    limits, passes = json.loads(done.stdout)
    return Limits(*limits), [Pass(*each) for each in passes]


def projected(count: int, begun: float, processor: float, latency: float, limits: Limits) -> Audit:
    """Return what so many inputs take.

    A first pass is listed from its beginning to its end, so it grows with its pages. Another has as many listings side
    by side as there are segments, and no more pages than one processor has time for.

    Args:
        count: of inputs.
        begun: seconds of a first pass for one of them.
        processor: seconds of the processor for a page.
        latency: seconds of the service for a page.
        limits: what the sweep goes by.
    """
    pages = math.ceil(count / PER_PAGE)
    listings = min(limits.listings, max(1, pages // limits.min_pages))
    settled = pages * max((latency + processor) / listings, processor)
    first = _with_gaps(begun * count, limits.run_seconds)
    passed = _with_gaps(settled, limits.run_seconds)
    return Audit(count, first / MINUTE, passed / MINUTE, settled / MINUTE, limits.pages_per_second)


def rows(audit: Audit, note: str) -> list[Row]:
    """Return the rows of so many inputs."""
    of = f", {audit.inputs:,} inputs"
    first = FIRST_PASS if audit.inputs == MANY else None
    busy, quiet = audit.dollars(), audit.dollars(PAUSE_MINUTES)
    late = audit.repair + PAUSE_MINUTES - 1
    return [
        _row(f"first pass{of}", audit.first, "min", note, first),
        _row(f"a pass with everything settled{of}", audit.settled, "min", note),
        _row(f"a lost event repaired{of}", audit.repair, "min", "at the latest, by these", REPAIRS.get(audit.inputs)),
        _row(f"a lost event repaired in quiet{of}", late, "min", "with sweepPauseSeconds as it is by default"),
        _row(f"listing{of}", busy[0], "$ per month", "one pass after the other, as while files come"),
        _row(f"the function's time{of}", busy[1], "$ per month", f"{INSTANCE_GB:g} GB, one pass after the other"),
        _row(f"listing in quiet{of}", quiet[0], "$ per month", "with sweepPauseSeconds as it is by default"),
        _row(f"the function's time in quiet{of}", quiet[1], "$ per month", "the same, beyond the run of each minute"),
    ]


def curve(audits: Sequence[Audit], path: Path) -> None:
    """Draw how minutes and dollars grow with the inputs."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    counts = [audit.inputs for audit in audits]
    minutes, money = figure.subplots(1, 2)
    minutes.plot(counts, [audit.first for audit in audits], label="first pass", marker="o")
    minutes.plot(counts, [audit.repair for audit in audits], label="a lost event repaired", marker="o")
    minutes.set_ylabel("minutes")
    for label, pause in (("while files come", 0.0), ("in quiet", PAUSE_MINUTES)):
        money.plot(counts, [sum(audit.dollars(pause)) for audit in audits], label=label, marker="o")
    money.set_ylabel("$ per month")
    for axes in (minutes, money):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("inputs")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, metadata={"Date": None})


def _with_gaps(seconds: float, run_seconds: float) -> float:
    """Return how long runs take that begin each minute and list for less."""
    whole, rest = divmod(seconds, run_seconds)
    return whole * max(MINUTE, run_seconds) + rest


def _row(measure: str, value: float, unit: str, note: str, target: Target | None = None) -> Row:
    return Row(measure=measure, note=note, ours=Samples((value,)), target=target, topic=TOPIC, unit=unit)
