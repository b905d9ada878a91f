"""The keeper of one slot: a small process that starts the slot's applications and leaves nothing of them behind.

It has none of the worker's secrets, gives up what the applications must not have, and hands its confinement on to all
that it starts. Whatever an application starts becomes the keeper's child at the latest when its parent ends, so that
nothing gets away, and nothing of another slot is taken for it. Should the worker be killed, the keeper sees its end of
the channel and ends everything, itself last.

It runs by ``python -I -S`` and keeps to the standard library. Messages to it: ``setup``, once, then ``run`` and, while
that goes on, ``signal``. Messages from it: ``ready``, ``started`` or ``refused``, then ``ended``.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import time
import warnings  # noqa: F401 -- needed by os.execvpe, and not to be found any more by then.
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pipeline_app.worker.confinement import filters, landlock, messages, privileges, reach, sockets
from pipeline_app.worker.confinement.rights import Rights

# A process that waits in the kernel ends only when that lets it.
KILL_SECONDS: Final = 10.0
# The worker ends it by closing the channel, and an application should not do so by mistake.
_IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Keeper:
    """Serves one channel until the worker closes it or is gone."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        # Whether no process can be reached but those of this confinement.
        self._alone = False
        self._processors = os.sched_getaffinity(0) if sys.platform == "linux" else set()
        self._wake, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def serve(self) -> None:
        """Set up, then run one application after the other."""
        first = messages.receive(self._channel)
        if first is None:
            return
        messages.send(self._channel, {"ready": self._set_up(first[0]["setup"])})
        while (message := messages.receive(self._channel)) is not None:
            record, descriptors = message
            if "run" in record:
                self._run(record["run"], descriptors[0])

    def _set_up(self, setup: dict[str, Any]) -> dict[str, Any]:
        """Give up what applications must not have; return what could be confined, or why it could not be."""
        privileges.adopt_orphans()
        privileges.give_up()
        if filters.available():
            reach.restrict()
        # From now on, what tells of this process belongs to root, for itself as well.
        privileges.close_to_others()
        if setup["rights"] is None:
            return {"version": 0, "problem": None}
        try:
            return {"version": self._confine(Rights.decode(setup["rights"])), "problem": None}
        except OSError as error:
            # Nothing is restricted unless all is.
            return {"version": 0, "problem": str(error)}

    def _confine(self, rights: Rights) -> int:
        """Keep these rights and no others; return the version of Landlock."""
        found = landlock.version()
        ports = rights.closed_ports != ()
        ruleset = landlock.Ruleset(found, ports=ports)
        for path in rights.listed:
            ruleset.keep(path, landlock.READ_DIR)
        for path in rights.readable:
            ruleset.keep(path, landlock.READ)
        for path in rights.writable:
            ruleset.keep(path, landlock.READ | landlock.WRITE)
        if ports and rights.closed_ports is not None and found >= landlock.PORTS_VERSION:
            ruleset.keep_ports(port for port in landlock.PORTS if port not in rights.closed_ports)
        ruleset.restrict()
        if ports and found >= landlock.PORTS_VERSION and filters.available():
            sockets.restrict()
        self._alone = found >= landlock.SIGNALS_VERSION and not _may_signal(os.getppid())
        return found

    def _run(self, run: dict[str, Any], output: int) -> None:
        child, problem = _start(run["command"], run["cwd"], run["env"], output, self._processors)
        os.close(output)
        if problem:
            messages.send(self._channel, {"refused": problem})
            return
        messages.send(self._channel, {"started": child})
        code = self._wait(child)
        left = self.kill_all()
        messages.send(self._channel, {"ended": code, "left": left})

    def _wait(self, child: int) -> int:
        """Wait for a child's end; return its exit code, negative for a signal."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            ready = {number for number, _ in poller.poll()}
            if self._channel.fileno() in ready:
                message = messages.receive(self._channel)
                if message is None:
                    # The worker is gone.
                    _kill_group(child, signal.SIGKILL)
                    self.kill_all()
                    sys.exit(0)
                _kill_group(child, message[0]["signal"])
            if self._wake in ready:
                _drain(self._wake)
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                # Its number is its own, and its group's, until it is waited for.
                if found.si_pid == child:
                    _kill_group(child, signal.SIGKILL)
                _, status = os.waitpid(found.si_pid, 0)
                if found.si_pid == child:
                    return os.waitstatus_to_exitcode(status)

    def kill_all(self) -> list[int]:
        """Kill and reap all that is left of an application; return what resists."""
        until = time.monotonic() + KILL_SECONDS
        while True:
            if self._alone:
                # At once, so that nothing can be started meanwhile.
                _kill(-1)
            left = _children()
            for pid in left:
                _kill(pid)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return []
            if time.monotonic() > until:
                return left
            _pause(self._wake)


def main(descriptor: int) -> None:
    """Serve the channel with this descriptor."""
    with socket.socket(fileno=descriptor) as channel:
        os.set_inheritable(descriptor, False)
        keeper = Keeper(channel)
        try:
            keeper.serve()
        except ConnectionError:
            # The worker is gone, and nobody is left to tell.
            keeper.kill_all()


def _start(command: list[str], cwd: str, env: dict[str, str], output: int, processors: set[int]) -> tuple[int, int]:
    """Start a command in a session of its own; return its number, and the error's where it could not be started."""
    told, tell = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _become(command, cwd, env, output, tell, processors)
    os.close(tell)
    with open(told, "rb") as problem:
        text = problem.read()
    if text:
        os.waitpid(child, 0)
    return child, int(text or 0)


def _become(command: list[str], cwd: str, env: dict[str, str], output: int, tell: int, processors: set[int]) -> None:
    """Turn this process into the command; if that fails, tell the error's number and end."""
    number = errno.ENOEXEC
    try:
        os.setsid()
        # An application may have taken them from the keeper, which hands on what it has.
        with suppress(AttributeError, OSError):
            os.sched_setaffinity(0, processors)
        # What Python ignores, programs do not expect to be ignored.
        for each in (*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        # The worker's threads leave signals to its main one, and a keeper may be started by any of them.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.chdir(cwd)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.execvpe(command[0], command, env)  # noqa: S606 -- running the application is the purpose.
    except OSError as error:
        number = error.errno or number
    finally:
        os.write(tell, str(number).encode())
        os._exit(127)


def _children() -> list[int]:
    # Each thread has children of its own, and this process has one thread.
    try:
        return list(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_bytes().split()))
    except FileNotFoundError:
        # No other system than Linux has this, nor a way to adopt orphans.
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        # Nobody is left, or somebody whom it may not reach.
        return


def _kill_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (PermissionError, ProcessLookupError):
        # macOS answers the former for a group of zombies alone.
        return


def _may_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    return True


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return


def _pause(wake: int) -> None:
    poller = select.poll()
    poller.register(wake, select.POLLIN)
    poller.poll(20)
    _drain(wake)
