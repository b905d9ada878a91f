"""The application that is processed under fire: each run of it leaves a mark of its own, and a line in a ledger."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ALIAS: Final = "app"
ARGUMENTS: Final = ("{input}", "{output}")
EXPORT_ARGUMENTS: Final = ("export", "{output}")

# Each attempt leaves its own mark in each of its results, so that results of two attempts under one receipt show. Their
# number and names differ from attempt to attempt, too. A file "kill" in the folder CHAOS_ORDERS is an order to have the
# worker killed in the middle of the work, which the application itself may not do. The ledger gets time, mark and
# first line of the input.
_SCRIPT: Final = """#!/bin/sh
if [ "$1" = export ]; then
    exec cp "$2/a" "$2/exported"
fi
read -r mark < /proc/sys/kernel/random/uuid
read -r line < "$1"
echo "$(date +%s.%N) $mark $line" >> 'LEDGER'
for name in a b c; do
    case $mark in *[0-7]) [ $name = c ] && continue ;; esac
    { echo "$mark"; cat "$1"; } > "$2/$name"
    if [ $name = a ] && [ -e "$CHAOS_ORDERS/kill" ]; then
        mv "$CHAOS_ORDERS/kill" "$CHAOS_ORDERS/killed-$mark"
        exec sleep 60
    fi
    PAUSE
done
"""


@dataclass(frozen=True, kw_only=True)
class Application:
    """The application in a folder: the script ``app``, its configs, and the ledger that its runs write."""

    folder: Path

    @property
    def export_config(self) -> Path:
        """The config of the export step."""
        return self.folder / "export.json"

    @property
    def runtime_config(self) -> Path:
        """The config of the runtime step."""
        return self.folder / "runtime.json"

    @property
    def script_folder(self) -> Path:
        """The folder that has the script alone: an artifact, or an entry of a search path."""
        return self.folder / "bin"

    def write(self, pause_seconds: float = 0.0) -> None:
        """Write it; ``pause_seconds`` is how long a run waits after each result."""
        self.script_folder.mkdir(parents=True)
        script = self.script_folder / ALIAS
        pause = f"sleep {pause_seconds}" if pause_seconds else ":"
        script.write_text(_SCRIPT.replace("LEDGER", str(self.ledger)).replace("PAUSE", pause))
        script.chmod(0o755)
        for path, arguments in ((self.runtime_config, ARGUMENTS), (self.export_config, EXPORT_ARGUMENTS)):
            path.write_text(json.dumps({"args": arguments}))
        self.ledger.touch()

    def runs(self) -> Mapping[str, list[float]]:
        """Return when runs began (seconds since the epoch), by the first line of their input."""
        found: dict[str, list[float]] = defaultdict(list)
        for entry in self.ledger.read_text().splitlines():
            moment, _, line = entry.split(" ", 2)
            found[line].append(float(moment))
        return found

    @property
    def ledger(self) -> Path:
        """What the runs write to, which the worker has to let them."""
        return self.folder / "ledger"
