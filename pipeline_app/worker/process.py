"""Runs the application by the keeper of its slot: no shell, a session of its own, a deadline, nothing left behind."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pipeline_app.worker.confinement import messages
from pipeline_app.worker.confinement.rights import Rights
from pipeline_app.worker.run_log import RunLog

# An application that fills the disk has little time to end by itself, since it may go on filling it.
EXCESS_GRACE_SECONDS = 0.5
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.2
# A keeper that says nothing for so long after its application was killed does not work any more.
KEEPER_SECONDS = 30.0

_KEEPER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from pipeline_app.worker.confinement.keeper import main; main(int(sys.argv[2]))"
)
_ROOT: Final = Path(__file__).resolve().parents[2]
# The application has no business with the pipeline's own storage and identity.
_PRIVATE_PREFIXES = ("APP_STORAGE_CONNECTION", "AZURE_", "IDENTITY_", "MSI_")

_log = logging.getLogger(__name__)

# What the worker starts itself and waits for; whatever else becomes its child is an orphan.
_keepers: set[int] = set()
_keepers_lock = threading.Lock()


class Interrupted(Exception):
    """The application was ended before its time because the worker asked for it."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step ended: its exit code (negative for a signal), or None with ``error`` set, a sentence."""

    exit_code: int | None
    error: str | None


class _KeeperLost(Exception):
    """The keeper has ended, or does not answer."""


class Keeper:
    """The worker's side of a keeper, for one slot; it is started at once, and anew where an application ended it.

    Args:
        rights: what its applications may do; None confines nothing.
    """

    def __init__(self, rights: Rights | None) -> None:
        self._rights = rights
        self._start()

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def confines(self) -> bool:
        """Whether its applications are confined; it waits until that is known."""
        return bool(self._known()["version"])

    @property
    def problem(self) -> str | None:
        """Why the kernel refused to confine them, if it did."""
        problem: str | None = self._known()["problem"]
        return problem

    def close(self) -> None:
        """End the keeper with all that it started."""
        self._channel.close()
        try:
            self._process.wait(KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with _keepers_lock:
            _keepers.discard(self._process.pid)
        _kill_orphans(self._others)

    def run_step(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        exceeded: Callable[[], str | None],
        interrupted: Callable[[], bool],
        log: RunLog,
        timeout_seconds: float,
    ) -> StepResult:
        """Run one step to its end and leave no process of it behind.

        Args:
            command: argument vector; its first element is looked up on ``PATH``.
            cwd: working folder.
            env: variables over the worker's own environment, less what concerns storage and identity.
            exceeded: asked a few times a second; a sentence ends the application and is its error.
            interrupted: asked a few times a second; true ends the application.
            log: gets standard output and standard error, in the order they came.
            timeout_seconds: after this the process group gets SIGTERM, and SIGKILL five seconds later.

        Raises:
            Interrupted: ``interrupted`` turned true.
        """
        variables = _environment(env)
        if any("\0" in text for text in (*command, *variables.values())):
            return StepResult(exit_code=None, error=f"The command {command[0]!r} could not be started: it has a NUL.")
        source, target = os.pipe()
        reader = threading.Thread(target=_copy, args=(source, log), daemon=True)
        reader.start()
        run = {"command": list(command), "cwd": str(cwd), "env": variables}
        excess: str | None = None
        timed_out = stopped = False
        try:
            try:
                self._ready()
                messages.send(self._channel, {"run": run}, [target])
            finally:
                os.close(target)
            told = self._told()
            if "refused" in told:
                reason = os.strerror(told["refused"])
                return StepResult(exit_code=None, error=f"The command {command[0]!r} could not be started: {reason}.")
            deadline = time.monotonic() + timeout_seconds
            while (ended := self._heard(POLL_SECONDS)) is None:
                stopped = interrupted()
                timed_out = time.monotonic() >= deadline
                if stopped or timed_out:
                    ended = self._terminate(GRACE_SECONDS)
                    break
                if excess := exceeded():
                    ended = self._terminate(EXCESS_GRACE_SECONDS)
                    break
        except (_KeeperLost, OSError) as error:
            self._replace()
            return StepResult(
                exit_code=None,
                error=f"The application could not be watched to its end, since the process that started it was ended, "
                f"maybe by the application itself: {error}.",
            )
        finally:
            reader.join(GRACE_SECONDS)
        if ended["left"]:
            _log.warning("Processes that the application started are still there: %s.", ended["left"])
            self._replace()
        if stopped:
            raise Interrupted
        if excess:
            return StepResult(exit_code=None, error=excess)
        if timed_out:
            return StepResult(exit_code=None, error=f"The application ran longer than {timeout_seconds:g} seconds.")
        code = ended["ended"]
        return StepResult(exit_code=code, error=_exit_sentence(code) if code else None)

    def _start(self) -> None:
        near, far = socket.socketpair()
        with far:
            # What is there before is no orphan of an application.
            self._others = frozenset(_own_children())
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter, with code of this module.
                [sys.executable, "-I", "-S", "-c", _KEEPER, str(_ROOT), str(far.fileno())],
                env=_environment({}),
                pass_fds=[far.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        self._channel = near
        self._setup: dict[str, Any] | None = None
        with _keepers_lock:
            _keepers.add(self._process.pid)
        messages.send(near, {"setup": {"rights": self._rights.encode() if self._rights else None}})

    def _ready(self) -> dict[str, Any]:
        if self._setup is None:
            self._setup = self._told()["ready"]
        return self._setup

    def _known(self) -> dict[str, Any]:
        """Return what the keeper could do; one that was lost before it could tell is replaced."""
        try:
            return self._ready()
        except (_KeeperLost, OSError) as error:
            _log.warning("A keeper is started anew, since it was lost: %s.", error)
            self._replace()
            return self._ready()

    def _replace(self) -> None:
        """Have another keeper in the place of one that cannot be trusted any more."""
        self._process.kill()
        self.close()
        self._start()

    def _told(self) -> dict[str, Any]:
        told = self._heard(KEEPER_SECONDS)
        if told is None:
            raise _KeeperLost("it does not answer")
        return told

    def _heard(self, seconds: float) -> dict[str, Any] | None:
        """Return what the keeper says within so many seconds, or None.

        Raises:
            _KeeperLost: it has ended.
        """
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        if not poller.poll(seconds * 1000):
            return None
        message = messages.receive(self._channel)
        if message is None:
            raise _KeeperLost("it has ended")
        return message[0]

    def _terminate(self, grace_seconds: float) -> dict[str, Any]:
        messages.send(self._channel, {"signal": signal.SIGTERM})
        ended = self._heard(grace_seconds)
        if ended is None:
            messages.send(self._channel, {"signal": signal.SIGKILL})
            ended = self._told()
        return ended


def _copy(source: int, log: RunLog) -> None:
    # What is there is read at once, so that the log of a hanging application is up to date.
    with open(source, "rb", buffering=0) as output:
        while data := output.read(65536):
            log.write(data)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE_PREFIXES)}
    return inherited | dict(extra)


def _exit_sentence(code: int) -> str:
    if code > 0:
        return f"The application exited with code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; it may have run out of memory" if -code == signal.SIGKILL else ""
    return f"The application was ended by {name}{hint}."


def _kill_orphans(others: frozenset[int]) -> None:
    """Kill and reap what a keeper that was lost left to the worker.

    Orphans become children of the worker, which itself starts nothing in another session but keepers. Killing one
    makes its children the worker's in turn, so this looks again until nothing is left.
    """
    until = time.monotonic() + KEEPER_SECONDS
    while time.monotonic() < until:
        with _keepers_lock:
            found = [pid for pid in _own_children() if pid not in others | _keepers and _is_elsewhere(pid)]
        if not found:
            return
        for pid in found:
            _kill_and_reap(pid)
    _log.warning("Processes that the application started are still there: %s.", found)


def _is_elsewhere(pid: int) -> bool:
    try:
        return os.getsid(pid) != os.getsid(0)
    except ProcessLookupError:
        return False


def _own_children() -> list[int]:
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            found += map(int, path.read_bytes().split())
        except (FileNotFoundError, ProcessLookupError):
            # The thread has ended.
            continue
    return found


def _kill_and_reap(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        # Another slot, looking at the same list, was faster.
        return
