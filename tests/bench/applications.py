"""The applications that are run: one that costs nothing, and one that takes a known time of one processor."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COPY: Final = "cp"

# It tells when it ran, as a line of the ledger. The time from the start of the process to the first line is the
# processor time that was used until then, since nothing waits in between; the last steps after the line are left out.
_BURN: Final = """#!{python} -IS
import os, sys, time
start = time.time() - time.process_time()
while time.process_time() < {seconds}:
    pass
with open(sys.argv[2] + "/out", "w") as file:
    file.write("done")
line = f"{{sys.argv[1].rsplit('/', 1)[-1]}} {{start}} {{time.time()}}\\n"
ledger = os.open({ledger!r}, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
os.write(ledger, line.encode())
os._exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class Application:
    """A command, the folder that has it (empty for one of the system), its config, and what it may write besides."""

    alias: str
    folder: str
    config: Path
    writable: str = ""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One run of the application: the input's file name, start and end in seconds since the epoch."""

    name: str
    start: float
    end: float


class Ledger:
    """What the applications tell of their runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def clear(self) -> None:
        """Forget all runs."""
        self.path.write_bytes(b"")

    def read(self) -> list[Interval]:
        """Return all runs, by their start."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        found = [line.rsplit(" ", 2) for line in lines]
        return sorted(
            (Interval(name=name, start=float(start), end=float(end)) for name, start, end in found),
            key=lambda each: each.start,
        )


def copying(folder: Path) -> Application:
    """Write the config of an application that copies its input, which is the command ``cp`` of the system."""
    config = folder / "copy.json"
    config.write_text(json.dumps({"args": ["{input}", "{output}/out"]}), encoding="utf-8")
    return Application(alias=COPY, config=config, folder="")


def burning(folder: Path, seconds: float) -> tuple[Application, Ledger]:
    """Write an application that keeps one processor busy for so many seconds of its time."""
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    ledger = Ledger(folder / "ledger")
    script = binaries / "burn"
    script.write_text(_BURN.format(ledger=str(ledger.path), python=sys.executable, seconds=seconds), encoding="utf-8")
    script.chmod(0o755)
    config = folder / "burn.json"
    config.write_text(json.dumps({"args": ["{input}", "{output}"]}), encoding="utf-8")
    return Application(alias="burn", config=config, folder=str(binaries), writable=str(ledger.path)), ledger
