"""Where workers come from by the hundred: processes of their own, which need not read their program anew each time.

What a worker takes for its start is a second of a processor, and several seconds on a machine with much to do. Of a
life of a few seconds that would be most, where it is next to nothing of the half an hour that a life has in Azure.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

PROJECT: Final = Path(__file__).parents[2]

# It has no threads, so that a fork is as good as a new process.
_SCRIPT: Final = """
import os, sys
from pipeline_app.worker import __main__

told = int(sys.argv[1])
os.write(told, b"0\\n")
for lifetime in sys.stdin:
    pid = os.fork()
    if not pid:
        os.close(told)
        os.environ["APP_LIFETIME_SECONDS"] = lifetime.strip()
        try:
            code = __main__.main()
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 70
        sys.stdout.flush()
        sys.exit(code)
    os.write(told, b"%d\\n" % pid)
    os.write(told, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class Nursery:
    """Bears one worker after the other, with the same environment and the same log."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._told, told = os.pipe()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT, str(told)],
                env=environment,
                pass_fds=[told],
                stderr=output,
                stdin=subprocess.PIPE,
                stdout=output,
            )
        os.close(told)

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        os.close(self._told)

    def begin(self) -> None:
        """Wait until it has read the program."""
        self._number()

    def bear(self, lifetime: float) -> int:
        """Start a worker that believes in a life of so many seconds, 0 for no end; return its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{lifetime}\n".encode())
        self._process.stdin.flush()
        return self._number()

    def wait(self, seconds: float | None) -> int | None:
        """Wait for the worker's end; return its exit code, negative for a signal, or None after so many seconds."""
        poller = select.poll()
        poller.register(self._told, select.POLLIN)
        return self._number() if poller.poll(None if seconds is None else seconds * 1000) else None

    def _number(self) -> int:
        text = b""
        while not text.endswith(b"\n"):
            byte = os.read(self._told, 1)
            if not byte:
                raise RuntimeError("The nursery has ended.")
            text += byte
        return int(text)
