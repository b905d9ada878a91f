"""What a process gives up besides files and ports: new rights, a look into it, processes without number.

Sources: https://man7.org/linux/man-pages/man2/prctl.2.html, https://man7.org/linux/man-pages/man7/capabilities.7.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION_3: Final = 0x20080522

# So many processes and threads an application may have beside those that its user has anyway.
MAX_PROCESSES: Final = 4096
# Where memory runs out, the kernel ends the application rather than the worker.
OOM_SCORE: Final = 500

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants, so that they can be found and reaped (Linux only)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def close_to_others() -> None:
    """Let no other process of this user look into the memory and the environment of this one (Linux only)."""
    _prctl(_PR_SET_DUMPABLE, 0)


def give_up() -> None:
    """Give up all that this process could gain or has as root, and bound what it may start, for good (Linux only)."""
    if sys.platform != "linux":
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        # Not every sandbox has this, and without it an application is killed as a rule all the same: it is the larger.
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    if os.geteuid() == 0:
        _drop_capabilities()
    else:
        # The kernel counts all that the user has, and root without a bound.
        most = min(_processes_of(os.getuid()) + MAX_PROCESSES, _hard(resource.RLIMIT_NPROC))
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _drop_capabilities() -> None:
    for number in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0):
            code = ctypes.get_errno()
            # The first number that the kernel does not know ends the list. Who may not drop them from there gains none
            # of them all the same, by no_new_privs.
            if code in (errno.EINVAL, errno.EPERM):
                break
            raise OSError(code, f"prctl(PR_CAPBSET_DROP): {os.strerror(code)}")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, none):
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


def _hard(limit: int) -> int:
    hard = resource.getrlimit(limit)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _processes_of(user: int) -> int:
    """Return how many threads the processes of a user have."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == user:
                count += len(os.listdir(folder / "task"))
        except OSError:
            # It has ended meanwhile, or is hidden, and then counts little.
            continue
    return count


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux" and _libc.prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
