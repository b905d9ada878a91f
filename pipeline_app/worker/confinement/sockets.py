"""Connections that Landlock does not see, closed by a filter of system calls.

Landlock asks about ``bind`` and ``connect`` of plain TCP sockets alone. A socket of Multipath TCP or of SMC reaches
whoever listens on plain TCP, and TCP Fast Open connects as it sends. Programs are told what a kernel that lacks these
would say, and fall back to plain TCP. A ring of ``io_uring`` would do the same past any filter.

Sources: https://github.com/landlock-lsm/linux/issues/54, https://github.com/landlock-lsm/linux/issues/41,
https://manpages.ubuntu.com/manpages/jammy/man7/af_smc.7.html. The numbers of system calls are from
https://github.com/torvalds/linux/blob/v6.18/arch/x86/entry/syscalls/syscall_64.tbl and its siblings.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline_app.worker.confinement import filters
from pipeline_app.worker.confinement.filters import (
    AARCH64,
    ALLOW,
    ARM,
    BIT,
    EQUAL,
    I386,
    NOT_BELOW,
    X86_64,
    Bodies,
    Instruction,
    argument,
    if_,
    load,
    refuse,
    return_,
)

_AF_INET: Final = 2
_AF_INET6: Final = 10
_AF_SMC: Final = 43
# Protocols from here on are none of the wire's, but Linux's own ways to speak TCP: SMC (256) and Multipath TCP (262).
_FIRST_OF_LINUX: Final = 256
_MSG_FASTOPEN: Final = 0x20000000


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
_MACHINES: Final[Mapping[str, Sequence[_Calls]]] = {
    "aarch64": (
        _Calls(architecture=AARCH64, sendmmsg=269, sendmsg=211, sendto=206, socket=198),
        _Calls(architecture=ARM, sendmmsg=374, sendmsg=296, sendto=290, socket=281),
    ),
    "x86_64": (
        _Calls(architecture=X86_64, sendmmsg=307, sendmsg=46, sendto=44, socket=41),
        _Calls(architecture=I386, sendmmsg=345, sendmsg=370, sendto=369, socket=359, socketcall=102),
    ),
}


def restrict() -> None:
    """Leave plain TCP as the only TCP, for this thread and whatever it starts; needs ``no_new_privs``.

    Raises:
        OSError: the kernel refuses.
    """
    filters.install(_program(_MACHINES[os.uname().machine]))


def _program(machine: Sequence[_Calls]) -> list[Instruction]:
    return filters.program({calls.architecture: _bodies(calls) for calls in machine})


def _bodies(calls: _Calls) -> Bodies:
    no_fast_open = [*if_(BIT, _MSG_FASTOPEN, [refuse(errno.EOPNOTSUPP)]), return_(ALLOW)]
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
    bodies: dict[int, Sequence[Instruction]] = {
        calls.socket: plain,
        calls.sendto: [load(argument(3)), *no_fast_open],
        calls.sendmsg: [load(argument(2)), *no_fast_open],
        calls.sendmmsg: [load(argument(3)), *no_fast_open],
        _IO_URING_SETUP: [refuse(errno.ENOSYS)],
    }
    if calls.socketcall is not None:
        # It has its arguments in memory, where no filter sees them; libraries call the others in its place.
        bodies[calls.socketcall] = [refuse(errno.ENOSYS)]
    return bodies
