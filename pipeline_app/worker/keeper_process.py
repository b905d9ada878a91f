"""One keeper as a process of the worker's: how it is started and ended, and what the two say to each other."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline_app.worker import orphans
from pipeline_app.worker.confinement import messages
from pipeline_app.worker.confinement.rights import Rights

# A keeper that says nothing for so long after its application was killed does not work any more.
KEEPER_SECONDS = 30.0

_KEEPER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from pipeline_app.worker.confinement.keeper import main; main(int(sys.argv[2]))"
)
_ROOT: Final = Path(__file__).resolve().parents[2]
# The application has no business with the pipeline's own storage and identity.
_PRIVATE_PREFIXES = ("APP_STORAGE_CONNECTION", "AZURE_", "IDENTITY_", "MSI_")


class KeeperLost(Exception):
    """The keeper has ended, or does not answer."""


class KeeperProcess:
    """A keeper that runs; it is to be set up, and then runs one application after the other.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        near, far = socket.socketpair()
        with far, orphans.starting() as started:
            # What is there before is no orphan of an application.
            self._others = frozenset(orphans.children())
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter, with code of this module.
                [sys.executable, "-I", "-S", "-c", _KEEPER, str(_ROOT), str(far.fileno())],
                env=environment({}),
                pass_fds=[far.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
            started(self._process.pid)
        self._channel = near
        self._setup: dict[str, Any] | None = None

    def set_up(self, rights: Rights | None) -> None:
        """Have it give up what its applications must not have; None confines nothing.

        Raises:
            OSError: it has ended.
        """
        messages.send(self._channel, {"setup": {"rights": rights.encode() if rights else None}})

    def ready(self) -> dict[str, Any]:
        """Return what it could do when it was set up, once it has told.

        Raises:
            KeeperLost: it has ended, or does not answer.
        """
        if self._setup is None:
            self._setup = self.told()["ready"]
        return self._setup

    def run(self, run: Mapping[str, Any], target: int) -> None:
        """Have it start an application, which writes to a descriptor.

        Raises:
            OSError: it has ended.
        """
        messages.send(self._channel, {"run": run}, [target])

    def told(self) -> dict[str, Any]:
        """Return what it says next.

        Raises:
            KeeperLost: it has ended, or does not answer.
        """
        told = self.heard(KEEPER_SECONDS)
        if told is None:
            raise KeeperLost("it does not answer")
        return told

    def heard(self, seconds: float) -> dict[str, Any] | None:
        """Return what it says within so many seconds, or None.

        Raises:
            KeeperLost: it has ended.
        """
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        if not poller.poll(seconds * 1000):
            return None
        message = messages.receive(self._channel)
        if message is None:
            raise KeeperLost("it has ended")
        return message[0]

    def terminate(self, grace_seconds: float) -> dict[str, Any]:
        """Have it end its application, by SIGKILL where SIGTERM has not done so in time; return how that ended.

        Raises:
            KeeperLost: it has ended, or does not answer.
            OSError: it has ended.
        """
        messages.send(self._channel, {"signal": signal.SIGTERM})
        ended = self.heard(grace_seconds)
        if ended is None:
            messages.send(self._channel, {"signal": signal.SIGKILL})
            ended = self.told()
        return ended

    def kill(self) -> None:
        """End it at once, and leave what it started to ``close``."""
        self._process.kill()

    def close(self) -> None:
        """End it with all that it started."""
        self._channel.close()
        try:
            self._process.wait(KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        orphans.forget(self._process.pid)
        orphans.kill(self._others, KEEPER_SECONDS)


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the worker's own environment, less what concerns storage and identity, and with these variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE_PREFIXES)}
    return inherited | dict(extra)
