"""Processes of this project, and what the kernel tells of one. It imports nothing, so that measured ones may use it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process took without its children, also if it has ended and is not reaped."""
    # The command's name, which may have any character, is in brackets; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had resident; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # One that has ended, but is not reaped, has no memory any more.
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
