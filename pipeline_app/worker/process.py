"""Runs the application by the keeper of its slot: no shell, a session of its own, a deadline, nothing left behind."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline_app.contract import FileJob
from pipeline_app.worker.confinement.rights import Rights
from pipeline_app.worker.keeper_process import KeeperLost, KeeperProcess, environment
from pipeline_app.worker.run_log import RunLog

# An application that fills the disk has little time to end by itself, since it may go on filling it.
EXCESS_GRACE_SECONDS = 0.5
GRACE_SECONDS = 5.0
# When the worker itself is to stop, its own grace is counted.
HURRIED_GRACE_SECONDS = 3.0
POLL_SECONDS = 0.2

_log = logging.getLogger(__name__)


class Interrupted(Exception):
    """The application was ended before its time because the worker asked for it.

    Attributes:
        job: what its message is to say from now on, where that is something else.
    """

    job: FileJob | None = None


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step ended: its exit code (negative for a signal), or None with ``error`` set, a sentence."""

    exit_code: int | None
    error: str | None


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
        self._process.close()

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
            timeout_seconds: after this the process group gets SIGTERM, and SIGKILL five seconds later; three where it
                was interrupted.

        Raises:
            Interrupted: ``interrupted`` turned true.
        """
        variables = environment(env)
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
                self._process.ready()
                self._process.run(run, target)
            finally:
                os.close(target)
            told = self._process.told()
            if "refused" in told:
                reason = os.strerror(told["refused"])
                return StepResult(exit_code=None, error=f"The command {command[0]!r} could not be started: {reason}.")
            deadline = time.monotonic() + timeout_seconds
            while (ended := self._process.heard(POLL_SECONDS)) is None:
                stopped = interrupted()
                timed_out = time.monotonic() >= deadline
                if stopped or timed_out:
                    ended = self._process.terminate(HURRIED_GRACE_SECONDS if stopped else GRACE_SECONDS)
                    break
                if excess := exceeded():
                    ended = self._process.terminate(EXCESS_GRACE_SECONDS)
                    break
        except (KeeperLost, OSError) as error:
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
        self._process = KeeperProcess()
        self._process.set_up(self._rights)

    def _known(self) -> dict[str, Any]:
        """Return what the keeper could do; one that was lost before it could tell is replaced."""
        try:
            return self._process.ready()
        except (KeeperLost, OSError) as error:
            _log.warning("A keeper is started anew, since it was lost: %s.", error)
            self._replace()
            return self._process.ready()

    def _replace(self) -> None:
        """Have another keeper in the place of one that cannot be trusted any more."""
        self._process.kill()
        self.close()
        self._start()


def _copy(source: int, log: RunLog) -> None:
    # What is there is read at once, so that the log of a hanging application is up to date.
    with open(source, "rb", buffering=0) as output:
        while data := output.read(65536):
            log.write(data)


def _exit_sentence(code: int) -> str:
    if code > 0:
        return f"The application exited with code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; it may have run out of memory" if -code == signal.SIGKILL else ""
    return f"The application was ended by {name}{hint}."
