"""The first process of a supervised command, as ``init`` is in a container.

Run as ``python -I -S launcher.py PARENT_PID FILE FOLDER COMMAND [ARGUMENT…]`` on Linux. It starts the command, hands on
its output and, once, the signal that asks it to end; it is told when the process that asked for it dies, however that
dies; and when the command has ended, it ends all that the command left behind. Where the asking process died, nobody
else would make a command end that does not do so when asked, so after a while this one does. FILE tells others that the
asking process serves; it is removed if that process dies, since nobody else would do it. To FOLDER, unless that is
empty, the command cannot write.

It uses the standard library alone, since it runs before the command's world.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

CAP_DAC_OVERRIDE = 1
CHUNK = 65536
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
# The kernel tells of a death when it begins; the process is this one's parent until it has ended.
DYING_SECONDS = 5.0
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
LOOK_SECONDS = 0.01
# A worker tries for a minute to give its work back to storage that is gone as well.
ORPHANED_SECONDS = 10.0
MS_BIND = 4096
MS_PRIVATE = 1 << 18
MS_RDONLY = 1
MS_REC = 16384
MS_REMOUNT = 32
NOT_FOUND = 127
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_PDEATHSIG = 1
SIGNALLED = 128


class Output:
    """Hands bytes on to the standard output; when nobody reads there any more, the command must not suffer for it."""

    def __init__(self) -> None:
        self._has_reader = True

    def write(self, data: bytes) -> None:
        """Write all of the bytes, or drop them."""
        while data and self._has_reader:
            try:
                data = data[os.write(sys.stdout.fileno(), data) :]
            except BrokenPipeError:
                self._has_reader = False


def call(function: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library that returns 0.

    Raises:
        OSError: the kernel refused.
    """
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def control(option: int, value: int) -> None:
    """Set one attribute of this process by ``prctl``.

    Raises:
        OSError: the kernel refused.
    """
    call("prctl", option, value)


def confine(folder: Path) -> None:
    """Let this process and what it becomes read a folder and not write there, as in the image, where it is root's.

    The folder is mounted anew for these processes alone, so that its files keep their modes: a copy of one can be
    written to, as a copy made in the image can. Where the kernel has no such mount for this user, the modes are changed
    after all, and a process of root's is held to them.

    Source: mount_namespaces(7), user_namespaces(7); capabilities(7): a program that root starts has no capability that
    is not in the bounding set.
    """
    # An attempt that fails halfway leaves a process that is neither here nor there, so another one makes it first.
    attempt = os.fork()
    if attempt == 0:
        try:
            mount_read_only(folder)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(attempt, 0)[1] == 0:
        mount_read_only(folder)
        return
    permit(folder, lambda mode: mode & ~0o222)
    if os.geteuid() == 0:
        # A container whose root may not give up capabilities has no other way to be as strict.
        with contextlib.suppress(PermissionError):
            control(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)


def mount_read_only(folder: Path) -> None:
    """Mount a folder on itself for reading alone, seen by this process and those that it starts.

    Raises:
        OSError: the kernel or a rule of this machine refused.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        call("unshare", CLONE_NEWNS)
    else:
        call("unshare", CLONE_NEWNS | CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text)
    place = os.fsencode(folder)
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    call("mount", place, place, None, MS_BIND, None)
    # What holds of the mount that the folder is on must go on to hold; these flags have one value in both places.
    kept = os.statvfs(folder).f_flag & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)
    call("mount", None, place, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept, None)


def permit(folder: Path, change: Callable[[int], int]) -> None:
    """Change the modes of a folder and of all that is in it, where they are not so already."""
    for root, folders, files in os.walk(folder):
        for path in (Path(root), *(Path(root, name) for name in (*folders, *files))):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) != change(stat.S_IMODE(mode)):
                path.chmod(change(stat.S_IMODE(mode)))


def become(command: list[str], parent: int, output: int) -> None:
    """Turn this process into the command, with its output to a descriptor and a SIGTERM when the parent dies."""
    control(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the request was made; then nobody would ever send the signal.
    if os.getppid() != parent:
        os._exit(NOT_FOUND)
    for standard in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(output, standard)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{command[0]!r} cannot be started: {error.strerror}.\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND)


def children() -> list[int]:
    """Return the processes whose parent is this one, among them those whose own parent has died."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command's name stands in brackets and may hold anything, so fields are counted after the last one.
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(path.parent.name))
    return found


def end_family() -> None:
    """Kill and reap all descendants; each one that loses its parent becomes a child of this process."""
    while True:
        for process in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def reap(main_process: int) -> int | None:
    """Reap every child that has ended; return the main process's exit code if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == main_process:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def watch(main_process: int, source: int, woken: int, look: Callable[[], None]) -> int:
    """Hand output on until the main process has ended and its family with it; return its exit code.

    ``look`` is called now and then once a signal has come.
    """
    output, code, sources, signalled = Output(), None, [source, woken], False
    while code is None:
        ready, _, _ = select.select(sources, [], [], LOOK_SECONDS if signalled else None)
        signalled = signalled or woken in ready
        if signalled:
            look()
        if woken in ready:
            os.read(woken, CHUNK)
            code = reap(main_process)
        if source in ready:
            data = os.read(source, CHUNK)
            output.write(data)
            if not data:
                sources.remove(source)
    end_family()
    while data := os.read(source, CHUNK):
        output.write(data)
    return code


def main(arguments: list[str]) -> int:
    """Run the command to its end and return its exit code, or 128 and the number of the signal that ended it."""
    asker, file, command = int(arguments[0]), Path(arguments[1]), arguments[3:]
    read_only = arguments[2]
    control(PR_SET_CHILD_SUBREAPER, 1)
    # A signal that arrives before the command runs must still reach it.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    # Without a terminal, nothing else sends this one, so it tells a death from a request to end.
    control(PR_SET_PDEATHSIG, signal.SIGHUP)
    this = os.getpid()
    if os.getppid() != asker:
        return NOT_FOUND
    source, sink = os.pipe()
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(waker)
    main_process = os.fork()
    if main_process == 0:
        if read_only:
            confine(Path(read_only))
        become(command, this, sink)
    os.close(sink)

    orphaned = False

    def hand_on(number: int, _frame: FrameType | None) -> None:
        nonlocal orphaned
        orphaned = number == signal.SIGHUP
        # Many programs take a second signal as leave to end without saving.
        for ending in ENDING:
            signal.signal(ending, signal.SIG_IGN)
        with contextlib.suppress(ProcessLookupError):
            os.kill(main_process, signal.SIGTERM if orphaned else number)

    deadline: list[float] = []

    def look_if_orphaned() -> None:
        # While the asking process dies, thread by thread, it is the parent still; so once is not enough.
        if os.getppid() == asker:
            return
        file.unlink(missing_ok=True)
        if not deadline:
            deadline.append(time.monotonic() + ORPHANED_SECONDS)
        elif time.monotonic() > deadline[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(main_process, signal.SIGKILL)

    for number in ENDING:
        signal.signal(number, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    code = watch(main_process, source, woken, look_if_orphaned)
    end = time.monotonic() + DYING_SECONDS
    while orphaned and os.getppid() == asker and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    if os.getppid() != asker:
        file.unlink(missing_ok=True)
    return code if code >= 0 else SIGNALLED - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
