"""Connections that Landlock does not see, closed by a filter of system calls.

Landlock asks about ``bind`` and ``connect`` of plain TCP sockets alone. A socket of Multipath TCP or of SMC reaches
whoever listens on plain TCP, and TCP Fast Open connects as it sends. Programs are told what a kernel that lacks these
would say, and fall back to plain TCP. A ring of ``io_uring`` would do the same past any filter.

Sources: https://github.com/landlock-lsm/linux/issues/54, https://github.com/landlock-lsm/linux/issues/41,
https://manpages.ubuntu.com/manpages/jammy/man7/af_smc.7.html, https://man7.org/linux/man-pages/man2/seccomp.2.html. The
numbers of system calls are from https://github.com/torvalds/linux/blob/v6.18/arch/x86/entry/syscalls/syscall_64.tbl and
its siblings, those of architectures from https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/audit.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

# The code of an instruction: load a word of the call's record, jump if equal, if not below, if a bit is set; return.
_LOAD: Final = 0x20
EQUAL: Final = 0x15
NOT_BELOW: Final = 0x35
_BIT: Final = 0x45
_RETURN: Final = 0x06
ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

# Where the record of a call has its number, its architecture, and the lower half of each argument.
NUMBER: Final = 0
ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16 if sys.byteorder == "little" else 20

_AF_INET: Final = 2
_AF_INET6: Final = 10
_AF_SMC: Final = 43
# Protocols from here on are none of the wire's, but Linux's own ways to speak TCP: SMC (256) and Multipath TCP (262).
_FIRST_OF_LINUX: Final = 256
_MSG_FASTOPEN: Final = 0x20000000
# Calls of x32, which have this bit, are those of x86_64 under numbers of their own; hardly a kernel has them.
X32: Final = 0x40000000

Instruction: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """An architecture's numbers of the calls that matter; ``socketcall`` is None where there is no such call."""

    architecture: int
    sendmmsg: int
    sendmsg: int
    sendto: int
    socket: int
    socketcall: int | None = None


_IO_URING_SETUP: Final = 425
# A machine also runs programs of its 32-bit sibling.
_MACHINES: Final[Mapping[str, Sequence[_Calls]]] = {
    "aarch64": (
        _Calls(architecture=0xC00000B7, sendmmsg=269, sendmsg=211, sendto=206, socket=198),
        _Calls(architecture=0x40000028, sendmmsg=374, sendmsg=296, sendto=290, socket=281),
    ),
    "x86_64": (
        _Calls(architecture=0xC000003E, sendmmsg=307, sendmsg=46, sendto=44, socket=41),
        _Calls(architecture=0x40000003, sendmmsg=345, sendmsg=370, sendto=369, socket=359, socketcall=102),
    ),
}

_libc = ctypes.CDLL(None, use_errno=True)


def available() -> bool:
    """Tell whether ``restrict`` knows this machine, and the kernel has filters of system calls."""
    if sys.platform != "linux" or os.uname().machine not in _MACHINES:
        return False
    # The kernel complains of the filter that is missing, if it knows filters at all.
    return _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, None, 0, 0) != 0 and ctypes.get_errno() == errno.EFAULT


def restrict() -> None:
    """Leave plain TCP as the only TCP, for this thread and whatever it starts; needs ``no_new_privs``.

    Raises:
        OSError: the kernel refuses.
    """
    install(_program(_MACHINES[os.uname().machine]))


def install(program: Sequence[Instruction]) -> None:
    """Have system calls filtered by a program, beside those that are there; as ``restrict``."""
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    place = ctypes.create_string_buffer(code, len(code))
    # The kernel's record has the number of instructions and, where the machine's alignment puts it, their address.
    record = struct.pack("@HP", len(program), ctypes.addressof(place))
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, record, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_SECCOMP): {os.strerror(number)}")


def _program(machine: Sequence[_Calls]) -> list[Instruction]:
    program: list[Instruction] = [load(ARCHITECTURE)]
    for calls in machine:
        program += if_(EQUAL, calls.architecture, _of(calls))
    # What no sibling of this machine calls is nothing that an application is known to need.
    return [*program, refuse(errno.ENOSYS)]


def _of(calls: _Calls) -> list[Instruction]:
    no_fast_open = [*if_(_BIT, _MSG_FASTOPEN, [refuse(errno.EOPNOTSUPP)]), return_(ALLOW)]
    inet = [
        load(argument(2)),
        *if_(NOT_BELOW, _FIRST_OF_LINUX, [refuse(errno.EPROTONOSUPPORT)]),
        return_(ALLOW),
    ]
    plain = [
        load(argument(0)),
        *if_(EQUAL, _AF_SMC, [refuse(errno.EAFNOSUPPORT)]),
        *if_(EQUAL, _AF_INET, inet),
        *if_(EQUAL, _AF_INET6, inet),
        return_(ALLOW),
    ]
    bodies = {
        calls.socket: plain,
        calls.sendto: [load(argument(3)), *no_fast_open],
        calls.sendmsg: [load(argument(2)), *no_fast_open],
        calls.sendmmsg: [load(argument(3)), *no_fast_open],
        _IO_URING_SETUP: [refuse(errno.ENOSYS)],
    }
    if calls.socketcall is not None:
        # It has its arguments in memory, where no filter sees them; libraries call the others in its place.
        bodies[calls.socketcall] = [refuse(errno.ENOSYS)]
    block = [load(NUMBER), *if_(NOT_BELOW, X32, [refuse(errno.ENOSYS)])]
    for number, body in bodies.items():
        block += if_(EQUAL, number, body)
    return [*block, return_(ALLOW)]


def argument(index: int) -> int:
    """Return where the record of a call has the lower half of an argument, by its index."""
    return _ARGUMENTS + 8 * index


def if_(condition: int, value: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Return instructions that run ``then``, which has to end with a return, if what is loaded meets a condition."""
    return [(condition, 0, len(then), value), *then]


def load(offset: int) -> Instruction:
    """Return the instruction that loads a word of the record."""
    return (_LOAD, 0, 0, offset)


def refuse(number: int) -> Instruction:
    """Return the instruction that lets a call fail with an error."""
    return return_(_ERRNO | number)


def return_(value: int) -> Instruction:
    """Return the instruction that ends the program with a verdict."""
    return (_RETURN, 0, 0, value)
