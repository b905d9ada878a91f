"""What reaches other processes of the same user, or lies about for them, without a file: closed by a filter of calls.

Landlock has no say in these calls, and the kernel asks for nothing but the same user: limits and priorities of any
process, memory, queues and semaphores of System V, keys of the user's keyring, and extended attributes of any file. A
program may set its own limits and priority, by the process number 0; otherwise it is told what a kernel or a file
system without these would say.

Sources: https://man7.org/linux/man-pages/man2/prlimit.2.html, https://man7.org/linux/man-pages/man7/sysvipc.7.html,
https://man7.org/linux/man-pages/man7/keyrings.7.html, and for the numbers those of ``sockets`` and ``filters``.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline_app.worker.confinement import filters
from pipeline_app.worker.confinement.filters import (
    AARCH64,
    ALLOW,
    ARM,
    EQUAL,
    I386,
    X86_64,
    Bodies,
    Instruction,
    argument,
    if_,
    load,
    refuse,
    return_,
)

_HIGHER_HALF: Final = 4 if sys.byteorder == "little" else -4
_IOPRIO_WHO_PROCESS: Final = 1
_PRIO_PROCESS: Final = 0
_SETXATTRAT: Final = 463


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """An architecture's numbers: of what may be done to oneself alone, and of what is not there."""

    architecture: int
    ioprio_set: int
    prlimit64: int
    scheduling: tuple[int, ...]
    setpriority: int
    shared: tuple[int, ...]
    xattr: tuple[int, ...]


# ``scheduling`` are sched_setscheduler, sched_setparam and sched_setattr.
# ``shared`` are shmget, semget, msgget, add_key, request_key, keyctl, and ipc, which stands for the first where it is.
_MACHINES: Final[Mapping[str, Sequence[_Calls]]] = {
    "aarch64": (
        _Calls(
            architecture=AARCH64,
            ioprio_set=30,
            prlimit64=261,
            scheduling=(119, 118, 274),
            setpriority=140,
            shared=(194, 190, 186, 217, 218, 219),
            xattr=(5, 6, 7),
        ),
        _Calls(
            architecture=ARM,
            ioprio_set=314,
            prlimit64=369,
            scheduling=(156, 154, 380),
            setpriority=97,
            shared=(307, 299, 303, 309, 310, 311),
            xattr=(226, 227, 228),
        ),
    ),
    "x86_64": (
        _Calls(
            architecture=X86_64,
            ioprio_set=251,
            prlimit64=302,
            scheduling=(144, 142, 314),
            setpriority=141,
            shared=(29, 64, 68, 248, 249, 250),
            xattr=(188, 189, 190),
        ),
        _Calls(
            architecture=I386,
            ioprio_set=289,
            prlimit64=340,
            scheduling=(156, 154, 351),
            setpriority=97,
            shared=(395, 393, 399, 286, 287, 288, 117),
            xattr=(226, 227, 228),
        ),
    ),
}


def restrict() -> None:
    """Reach no other process in these ways any more, for this thread and whatever it starts; needs ``no_new_privs``.

    Raises:
        OSError: the kernel refuses.
    """
    machine = _MACHINES[os.uname().machine]
    filters.install(filters.program({calls.architecture: _bodies(calls) for calls in machine}))


def _bodies(calls: _Calls) -> Bodies:
    limits = argument(2)
    # Whoever only asks for limits gives no new ones.
    no_new = [*if_(EQUAL, 0, _zero(limits + _HIGHER_HALF)), refuse(errno.EPERM)]
    bodies: dict[int, Sequence[Instruction]] = {
        calls.prlimit64: [load(argument(0)), *if_(EQUAL, 0, [return_(ALLOW)]), load(limits), *no_new],
        calls.setpriority: _oneself(_PRIO_PROCESS),
        calls.ioprio_set: _oneself(_IOPRIO_WHO_PROCESS),
        _SETXATTRAT: [refuse(errno.ENOSYS)],
    }
    bodies |= dict.fromkeys(calls.scheduling, _zero(argument(0)))
    bodies |= {number: [refuse(errno.ENOSYS)] for number in calls.shared}
    bodies |= {number: [refuse(errno.EOPNOTSUPP)] for number in calls.xattr}
    return bodies


def _oneself(kind: int) -> list[Instruction]:
    """Return instructions that let a process be named by its kind and the number 0 alone."""
    return [load(argument(0)), *if_(EQUAL, kind, _zero(argument(1))), refuse(errno.EPERM)]


def _zero(place: int) -> list[Instruction]:
    """Return instructions that refuse a call whose word at a place is not 0."""
    return [load(place), *if_(EQUAL, 0, [return_(ALLOW)]), refuse(errno.EPERM)]
