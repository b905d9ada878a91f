"""What this process may use: the machine's processors and memory, or less where a container has less.

The files of cgroups are described in https://docs.kernel.org/admin-guide/cgroup-v2.html (``cpu.max``, ``memory.max``)
and https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (``memory.limit_in_bytes``).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup")
# What the database may hold. What Python, the reader's buffers and the allocator take comes on top of it.
DATABASE_SHARE: Final = 0.35
LEAST_BYTES: Final = 128 << 20
MOST_BYTES: Final = 4 << 30


@dataclass(frozen=True)
class Limits:
    """Threads of the database, and the bytes that it may hold before it writes to disk."""

    memory_bytes: int
    threads: int


def limits(cgroup: Path = CGROUP) -> Limits:
    """Return the limits for this process."""
    memory = min(_machine_bytes(), _number(cgroup / "memory.max"), _number(cgroup / "memory/memory.limit_in_bytes"))
    database = min(MOST_BYTES, max(LEAST_BYTES, int(memory * DATABASE_SHARE)))
    return Limits(memory_bytes=database, threads=max(1, math.ceil(min(_processors(), _quota(cgroup)))))


def _machine_bytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processors() -> int:
    # Not all systems can tell which processors a process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(cgroup: Path) -> float:
    """Return the processors that the container's quota amounts to; infinite where there is none."""
    words = _text(cgroup / "cpu.max").split()
    if len(words) == 2 and words[0].isdigit():
        return int(words[0]) / int(words[1])
    quota, period = _number(cgroup / "cpu/cpu.cfs_quota_us"), _number(cgroup / "cpu/cpu.cfs_period_us")
    return quota / period if math.isfinite(quota) and math.isfinite(period) else math.inf


def _number(path: Path) -> float:
    text = _text(path)
    return int(text) if text.isdigit() else math.inf


def _text(path: Path) -> str:
    # No such file means no such limit.
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""
