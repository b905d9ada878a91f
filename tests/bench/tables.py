"""A large table: the sample application beside pandas, which does the same work as far as it can be said in it.

Run as ``python -m tests.bench.tables csvreport|pandas SOURCE FOLDER`` it is one of the two, in a process of its own; it
prints the peak of its memory in bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.processes import PROJECT, peak_bytes
from tests.bench.setting import Setting

TOPIC: Final = "tables"

MEMORY_TARGET: Final = Target("at most", 2048.0)
MIB: Final = 2**20
# Some 300 MB.
ROWS: Final = 4_500_000
SECONDS: Final = 3600.0
TIME_TARGET: Final = Target("at most", 15.0)


def measure(setting: Setting) -> Result:
    """Have both make a report of the same table, in turns."""
    folder = setting.place("tables")
    source = folder / "orders.csv"
    rows = setting.size(ROWS, 2_000)
    setting.say(f"{TOPIC}: a table of {rows:,} rows")
    write_table(source, rows)
    seconds: dict[str, list[float]] = {"csvreport": [], "pandas": []}
    peaks: dict[str, list[float]] = {"csvreport": [], "pandas": []}
    for number in range(setting.rounds):
        setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
        for program in sorted(seconds, reverse=number % 2 == 1):
            took, peak = _run(program, source, folder / program)
            seconds[program].append(took)
            peaks[program].append(peak / MIB)
    size = f"{rows:,} rows of 9 columns, {source.stat().st_size / 1e6:,.0f} MB"
    return Result(
        rows=[
            Row(
                measure="a report of a table",
                note=f"{size}; the process from its start to the last result",
                on_ratio=False,
                ours=Samples(tuple(seconds["csvreport"])),
                peer=Samples(tuple(seconds["pandas"])),
                peer_name="pandas: read, drop duplicates, write, describe and count values",
                target=TIME_TARGET,
                topic=TOPIC,
                unit="s",
            ),
            Row(
                measure="memory of the report",
                note="most resident; the database keeps to a share of what the machine or the container has",
                on_ratio=False,
                ours=Samples(tuple(peaks["csvreport"])),
                peer=Samples(tuple(peaks["pandas"])),
                peer_name="pandas",
                target=MEMORY_TARGET,
                topic=TOPIC,
                unit="MiB",
            ),
        ]
    )


def write_table(path: Path, rows: int) -> None:
    """Write a table of orders: whole numbers, times, texts of many and of few kinds, amounts, and empty cells."""
    chance = random.Random(rows)  # noqa: S311 -- repeatable, not secret.
    start = datetime(2026, 1, 1)
    states = ("express", "pickup", "return", "standard")
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("order id,ordered at,customer,amount,quantity,discount,paid,status,note\n")
        for number in range(rows):
            file.write(
                f"{number + 1},{start + timedelta(seconds=5 * number):%Y-%m-%dT%H:%M:%S},"
                f"Customer {chance.randrange(300_000)},{chance.lognormvariate(4, 1):.2f},{chance.randrange(1, 20)},"
                f"{chance.choice(('0', '0.05', '0.1', ''))},{chance.choice(('yes', 'no'))},{chance.choice(states)},"
                f"{'' if chance.random() < 0.7 else 'call before'}\n"
            )


def _run(program: str, source: Path, folder: Path) -> tuple[float, int]:
    folder.mkdir(exist_ok=True)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.tables", program, str(source), str(folder)],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        text=True,
        timeout=SECONDS,
    )
    seconds = time.monotonic() - start
    if done.returncode:
        raise RuntimeError(f"{program} failed:\n{done.stderr}")
    return seconds, int(json.loads(done.stdout))


def _csvreport(source: Path, folder: Path) -> None:
    from pipeline_app.sample.csvreport.cli import main

    with contextlib.redirect_stdout(sys.stderr):
        code = main([str(source), str(folder)])
    if code:
        sys.exit(code)


def _pandas(source: Path, folder: Path) -> None:
    import pandas

    table = pandas.read_csv(source)
    table["ordered at"] = pandas.to_datetime(table["ordered at"])
    table = table.drop_duplicates()
    table.to_csv(folder / "cleaned.csv", index=False)
    described = {"all": table.describe(include="all").to_json(date_format="iso")}
    for name in table.select_dtypes(include="str"):
        described[name] = table[name].value_counts().head(10).to_json()
    (folder / "summary.json").write_text(json.dumps(described), encoding="utf-8")


if __name__ == "__main__":
    {"csvreport": _csvreport, "pandas": _pandas}[sys.argv[1]](*map(Path, sys.argv[2:]))
    print(peak_bytes(os.getpid()))
