"""Runs the application: no shell, a process group of its own, a deadline, and nothing left behind."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline_app.worker.run_log import RunLog

if TYPE_CHECKING:
    import io

# An application that fills the disk has little time to end by itself, since it may go on filling it.
EXCESS_GRACE_SECONDS = 0.5
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.2

_PR_SET_CHILD_SUBREAPER = 36
# Every process that the application starts inherits this variable, which finds those that left its process group.
_TOKEN = "APP_RUN_TOKEN"  # noqa: S105 -- the name of a marker, not a secret.
# The application has no business with the pipeline's own storage and identity.
_PRIVATE_PREFIXES = ("APP_STORAGE_CONNECTION", "AZURE_", "IDENTITY_", "MSI_")

_log = logging.getLogger(__name__)

# The children that a slot waits for itself; whatever else becomes the worker's child is an orphan.
_children: set[int] = set()
_children_lock = threading.Lock()


class Interrupted(Exception):
    """The application was ended before its time because the worker asked for it."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step ended: its exit code (negative for a signal), or None with ``error`` set, a sentence."""

    exit_code: int | None
    error: str | None


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants, so that they can be found and reaped (Linux only)."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def run_step(
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
    token = uuid.uuid4().hex
    try:
        # The lock keeps another slot from taking the child for an orphan before it is listed.
        with _children_lock:
            # What is there before the application cannot be its orphan.
            others = frozenset(_own_children())
            child = subprocess.Popen(  # noqa: S603 -- running the customer's application is the purpose.
                command,
                cwd=cwd,
                env=_environment(env, token),
                start_new_session=True,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            _children.add(child.pid)
    except (OSError, ValueError) as error:
        return StepResult(exit_code=None, error=f"The command {command[0]!r} could not be started: {_reason(error)}.")
    deadline = time.monotonic() + timeout_seconds
    excess: str | None = None
    reader = threading.Thread(target=_copy, args=(child, log), daemon=True)
    timed_out = stopped = False
    try:
        reader.start()
        while not _ended(child, POLL_SECONDS):
            stopped = interrupted()
            timed_out = time.monotonic() >= deadline
            if stopped or timed_out:
                _terminate(child, GRACE_SECONDS)
                break
            if excess := exceeded():
                _terminate(child, EXCESS_GRACE_SECONDS)
                break
    finally:
        _kill_group(child.pid)
        child.wait()
        with _children_lock:
            _children.discard(child.pid)
        _kill_strays(token, others)
        if reader.ident:
            reader.join(GRACE_SECONDS)
    if stopped:
        raise Interrupted
    if excess:
        return StepResult(exit_code=None, error=excess)
    if timed_out:
        return StepResult(exit_code=None, error=f"The application ran longer than {timeout_seconds:g} seconds.")
    if child.returncode:
        return StepResult(exit_code=child.returncode, error=_exit_sentence(child.returncode))
    return StepResult(exit_code=0, error=None)


def _copy(child: subprocess.Popen[bytes], log: RunLog) -> None:
    source = cast("io.BufferedReader", child.stdout)
    # read1 returns what is there, so that the log of a hanging application is up to date.
    with source:
        while data := source.read1(65536):
            log.write(data)


def _ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    if sys.platform == "linux":
        # Popen would look again and again, up to 50 ms late; this wakes when the process ends.
        try:
            number = os.pidfd_open(child.pid)
        except OSError as error:
            _log.debug("pidfd_open: %s", error)
        else:
            try:
                poller = select.poll()
                poller.register(number, select.POLLIN)
                if not poller.poll(seconds * 1000):
                    return False
            finally:
                os.close(number)
            child.wait()
            return True
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment(extra: Mapping[str, str], token: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE_PREFIXES)}
    return inherited | dict(extra) | {_TOKEN: token}


def _exit_sentence(code: int) -> str:
    if code > 0:
        return f"The application exited with code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; it may have run out of memory" if -code == signal.SIGKILL else ""
    return f"The application was ended by {name}{hint}."


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    except PermissionError:
        # macOS answers so for a group of zombies alone; elsewhere it is a process that changed its user.
        _log.warning("Not all processes of group %d may be killed.", group)


def _kill_strays(token: str, others: frozenset[int]) -> None:
    """Kill processes that left the group with setsid, and reap what the application left to the worker.

    Orphans become children of the worker (see adopt_orphans), so only its own children need be looked at; killing
    one makes its children the worker's in turn, so this looks again until nothing is left.
    """
    if sys.platform != "linux":
        return
    marker = f"{_TOKEN}={token}".encode()
    for _ in range(100):
        adopted, alone = _adopted()
        # While no other slot runs an application, no orphan is another's, whatever it made of its environment.
        strays = [pid for pid in adopted if pid not in others and (alone or _ended_or_carries(pid, marker))]
        if not strays:
            return
        for pid in strays:
            _kill_and_reap(pid)
    _log.warning("Processes that the application started are still there: %s.", strays)


def _adopted() -> tuple[list[int], bool]:
    """Return the worker's children that no slot started, and whether no slot has a child of its own right now."""
    with _children_lock:
        return [pid for pid in _own_children() if pid not in _children], not _children


def _own_children() -> list[int]:
    lists = [_read(path) for path in Path("/proc/self/task").glob("*/children")]
    return list(map(int, b" ".join(lists).split()))


def _ended_or_carries(pid: int, marker: bytes) -> bool:
    # The environment of a zombie reads as empty; nobody but the worker will reap it.
    environment = _read(Path(f"/proc/{pid}/environ"))
    return not environment or marker in environment.split(b"\0")


def _kill_and_reap(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        # Another slot, looking at the same list, was faster.
        return


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        # Threads and processes end while they are looked at, and those of other users may not be read.
        if error.errno in (errno.EACCES, errno.ENOENT, errno.EPERM, errno.ESRCH):
            return b""
        raise


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _terminate(child: subprocess.Popen[bytes], grace_seconds: float) -> None:
    try:
        os.killpg(child.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    _ended(child, grace_seconds)
