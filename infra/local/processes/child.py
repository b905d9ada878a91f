"""A command, and the process that runs it under its launcher with a marker in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.local.processes.family import MARKER
from infra.local.processes.launcher import permit
from infra.local.processes.records import Record

LAUNCHER: Final = Path(__file__).with_name("launcher.py")


@dataclass(eq=False)
class Child:
    """One running process."""

    record: Record
    process: subprocess.Popen[str]
    ended: threading.Event = field(default_factory=threading.Event)
    output_read: threading.Event = field(default_factory=threading.Event)
    stopping: bool = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def exit_code(self) -> int:
        """How the process that has ended did so, in the manner of shells and containers: 128 and more is a signal."""
        code = self.process.wait()
        return 128 - code if code < 0 else code


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run: ``environment`` is the whole environment, ``log`` a file that keeps the output.

    ``read_only`` is a folder that it cannot write to, whoever runs it.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path | None = None
    read_only: Path | None = None
    standard_input: Path | None = None


def launch(command: Command, marker: str, beacon: Path) -> subprocess.Popen[str]:
    """Start a command in a session of its own; its output, errors with it, is to be read from the process.

    On Linux the process is the command's launcher, which ends the command and removes the file ``beacon`` where this
    process is killed. Call it from a thread that lives as long as the run, since the kernel takes that for the parent.

    Raises:
        OSError: it cannot be started.
    """
    arguments = list(command.arguments)
    if sys.platform == "linux":
        arguments = [
            sys.executable,
            "-I",
            "-S",
            str(LAUNCHER),
            str(os.getpid()),
            str(beacon),
            str(command.read_only or ""),
            *arguments,
        ]
    elif command.read_only:
        # No other system has such a mount, and who is not root is held to the modes.
        permit(command.read_only, lambda mode: mode & ~0o222)
    with Path(command.standard_input or os.devnull).open("rb") as standard_input:
        return subprocess.Popen(  # noqa: S603
            arguments,
            cwd=command.directory,
            encoding="utf-8",
            env={**command.environment, MARKER: marker},
            errors="replace",
            start_new_session=True,
            stderr=subprocess.STDOUT,
            stdin=standard_input,
            stdout=subprocess.PIPE,
        )
