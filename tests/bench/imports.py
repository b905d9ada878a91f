"""Which imports a start consists of."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from tests.bench.processes import PROJECT

IMPORT: Final = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
SECONDS: Final = 300.0
TOP: Final = 5


def imports(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run Python with ``-X importtime``; return the packages whose modules took longest, as a sentence."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        check=True,
        cwd=PROJECT,
        env=environment,
        text=True,
        timeout=SECONDS,
    )
    return top(done.stderr)


def top(text: str) -> str:
    """Sum the report of ``-X importtime`` up by package: azure packages by two names, others by one."""
    packages: Counter[str] = Counter()
    for microseconds, name in IMPORT.findall(text):
        parts = name.split(".")
        packages[".".join(parts[: 2 if parts[0] in ("azure", "google", "pipeline_app") else 1])] += int(microseconds)
    if not packages:
        raise ValueError(f"This is no report of imports: {text[-500:]}")
    total = sum(packages.values())
    first = ", ".join(f"{name} {count / 1000:.0f} ms" for name, count in packages.most_common(TOP))
    return f"imports take {total / 1000:.0f} ms under the profiler, most of it {first}"
