"""What reaches other processes of the same user, or lies about for them, without a file: closed by a filter of calls.

Landlock has no say in these calls, and the kernel asks for nothing but the same user: limits and priorities of any
process, memory, queues and semaphores of System V, keys of the user's keyring, and extended attributes of any file. A
program may set its own limits and priority, by the process number 0; otherwise it is told what a kernel or a file
system without these would say.

Sources: https://man7.org/linux/man-pages/man2/prlimit.2.html, https://man7.org/linux/man-pages/man7/sysvipc.7.html,
https://man7.org/linux/man-pages/man7/keyrings.7.html, and for the numbers those of ``sockets``.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline_app.worker.confinement import sockets
from pipeline_app.worker.confinement.sockets import (
    ALLOW,
    ARCHITECTURE,
    EQUAL,
    NOT_BELOW,
    NUMBER,
    X32,
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
            architecture=0xC00000B7,
            ioprio_set=30,
            prlimit64=261,
            scheduling=(119, 118, 274),
            setpriority=140,
            shared=(194, 190, 186, 217, 218, 219),
            xattr=(5, 6, 7),
        ),
        _Calls(
            architecture=0x40000028,
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
            architecture=0xC000003E,
            ioprio_set=251,
            prlimit64=302,
            scheduling=(144, 142, 314),
            setpriority=141,
            shared=(29, 64, 68, 248, 249, 250),
            xattr=(188, 189, 190),
        ),
        _Calls(
            architecture=0x40000003,
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
    sockets.install(_program(_MACHINES[os.uname().machine]))


def _program(machine: Sequence[_Calls]) -> list[Instruction]:
    program: list[Instruction] = [load(ARCHITECTURE)]
    for calls in machine:
        program += if_(EQUAL, calls.architecture, _of(calls))
    return [*program, refuse(errno.ENOSYS)]


def _of(calls: _Calls) -> list[Instruction]:
    place = argument(2)
    # Whoever only asks for limits gives no new ones.
    asks = [
        load(place),
        *if_(EQUAL, 0, [load(place + _HIGHER_HALF), *if_(EQUAL, 0, [return_(ALLOW)]), refuse(errno.EPERM)]),
        refuse(errno.EPERM),
    ]
    bodies: dict[int, list[Instruction]] = {
        calls.prlimit64: [load(argument(0)), *if_(EQUAL, 0, [return_(ALLOW)]), *asks],
        calls.setpriority: _oneself(_PRIO_PROCESS),
        calls.ioprio_set: _oneself(_IOPRIO_WHO_PROCESS),
        _SETXATTRAT: [refuse(errno.ENOSYS)],
    }
    mine = [load(argument(0)), *if_(EQUAL, 0, [return_(ALLOW)]), refuse(errno.EPERM)]
    bodies |= dict.fromkeys(calls.scheduling, mine)
    bodies |= {number: [refuse(errno.ENOSYS)] for number in calls.shared}
    bodies |= {number: [refuse(errno.EOPNOTSUPP)] for number in calls.xattr}
    block = [load(NUMBER), *if_(NOT_BELOW, X32, [refuse(errno.ENOSYS)])]
    for number, body in bodies.items():
        block += if_(EQUAL, number, body)
    return [*block, return_(ALLOW)]


def _oneself(kind: int) -> list[Instruction]:
    """Return instructions that let a process be named by its kind and the number 0 alone."""
    return [
        load(argument(0)),
        *if_(EQUAL, kind, [load(argument(1)), *if_(EQUAL, 0, [return_(ALLOW)]), refuse(errno.EPERM)]),
        refuse(errno.EPERM),
    ]
