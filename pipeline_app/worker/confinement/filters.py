"""Filters of system calls: programs that the kernel runs at each call, and that say which fail, and how.

Sources: https://man7.org/linux/man-pages/man2/seccomp.2.html, and for the numbers of architectures
https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/audit.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

# The code of an instruction: load a word of the call's record, jump if equal, if not below, if a bit is set; return.
_LOAD: Final = 0x20
EQUAL: Final = 0x15
NOT_BELOW: Final = 0x35
BIT: Final = 0x45
_RETURN: Final = 0x06
ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

# Where the record of a call has its number, its architecture, and the lower half of each argument.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16 if sys.byteorder == "little" else 20
# Calls of x32, which have this bit, are those of x86_64 under numbers of their own; hardly a kernel has them.
_X32: Final = 0x40000000

AARCH64: Final = 0xC00000B7
ARM: Final = 0x40000028
I386: Final = 0x40000003
X86_64: Final = 0xC000003E
# The machines that filters are written for; each also runs programs of its 32-bit sibling.
MACHINES: Final = ("aarch64", "x86_64")

Instruction: TypeAlias = tuple[int, int, int, int]
# What is done about calls, by their numbers; each ends with a return.
Bodies: TypeAlias = Mapping[int, Sequence[Instruction]]

_libc = ctypes.CDLL(None, use_errno=True)


def available() -> bool:
    """Tell whether filters are written for this machine, and the kernel has them."""
    if sys.platform != "linux" or os.uname().machine not in MACHINES:
        return False
    # The kernel complains of the filter that is missing, if it knows filters at all.
    return _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, None, 0, 0) != 0 and ctypes.get_errno() == errno.EFAULT


def program(bodies: Mapping[int, Bodies]) -> list[Instruction]:
    """Return the filter of the calls of some architectures; a call that has no body there is let through.

    What no sibling of this machine calls, and what x32 calls, is nothing that an application is known to need.
    """
    result = [load(_ARCHITECTURE)]
    for architecture, calls in bodies.items():
        block = [load(_NUMBER), *if_(NOT_BELOW, _X32, [refuse(errno.ENOSYS)])]
        for number, body in calls.items():
            block += if_(EQUAL, number, body)
        result += if_(EQUAL, architecture, [*block, return_(ALLOW)])
    return [*result, refuse(errno.ENOSYS)]


def install(code: Sequence[Instruction]) -> None:
    """Have the calls of this thread, and of whatever it starts, filtered from now on; needs ``no_new_privs``.

    Raises:
        OSError: the kernel refuses.
    """
    packed = b"".join(struct.pack("=HBBI", *each) for each in code)
    place = ctypes.create_string_buffer(packed, len(packed))
    # The kernel's record has the number of instructions and, where the machine's alignment puts it, their address.
    record = struct.pack("@HP", len(code), ctypes.addressof(place))
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, record, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_SECCOMP): {os.strerror(number)}")


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
