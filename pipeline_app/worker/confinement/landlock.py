"""Landlock, by which a process without rights gives up rights for itself and all that it starts, for good.

Source of numbers and rules: https://docs.kernel.org/userspace-api/landlock.html and
https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from typing import Final

# The numbers of these calls are the same on every architecture.
# Source: https://github.com/torvalds/linux/blob/v6.18/include/uapi/asm-generic/unistd.h
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1
_RULE_PATH: Final = 1
_RULE_PORT: Final = 2

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
_REMOVE_DIR: Final = 1 << 4
_REMOVE_FILE: Final = 1 << 5
_MAKE_CHAR: Final = 1 << 6
_MAKE_DIR: Final = 1 << 7
_MAKE_REG: Final = 1 << 8
_MAKE_SOCK: Final = 1 << 9
_MAKE_FIFO: Final = 1 << 10
_MAKE_BLOCK: Final = 1 << 11
_MAKE_SYM: Final = 1 << 12
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14
_IOCTL_DEV: Final = 1 << 15

READ: Final = EXECUTE | READ_FILE | READ_DIR
WRITE: Final = (
    WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
    | _IOCTL_DEV
)
# What a rule on a file, not a folder, may grant.
_OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV
_HANDLED: Final = READ | WRITE | _MAKE_CHAR | _MAKE_BLOCK

_BIND_TCP: Final = 1 << 0
_CONNECT_TCP: Final = 1 << 1
_SCOPE_ABSTRACT_SOCKETS: Final = 1 << 0
_SCOPE_SIGNALS: Final = 1 << 1

# Before the third version, a file of the same user can be emptied wherever it lies, and before the second, none can be
# moved from one folder to another.
LEAST_VERSION: Final = 1
_MOVING_VERSION: Final = 2
EMPTYING_VERSION: Final = 3
PORTS_VERSION: Final = 4
_DEVICES_VERSION: Final = 5
SIGNALS_VERSION: Final = 6
PORTS: Final = range(65536)
_LATER: Final = {_REFER: _MOVING_VERSION, _TRUNCATE: EMPTYING_VERSION, _IOCTL_DEV: _DEVICES_VERSION}


class _PortRule(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def version() -> int:
    """Return the version of Landlock's interface that this kernel has; 0 where it has none or has it turned off."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        # ENOSYS, EOPNOTSUPP, or the EPERM of a container's filter of system calls: there is none for this process.
        return 0


class Ruleset:
    """Rights that are kept; all others that Landlock knows of are given up by ``restrict``.

    Args:
        found: what ``version`` returned, ``LEAST_VERSION`` or more.
        ports: whether connections by TCP are restricted, as far as the version can.
    """

    def __init__(self, found: int, *, ports: bool) -> None:
        self._handled = _HANDLED
        for right, since in _LATER.items():
            if found < since:
                self._handled &= ~right
        scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if found >= SIGNALS_VERSION else 0
        net = _BIND_TCP | _CONNECT_TCP if ports and found >= PORTS_VERSION else 0
        attributes = struct.pack("=QQQ", self._handled, net, scoped)
        # An older kernel knows the first fields alone.
        size = 24 if scoped else 16 if found >= PORTS_VERSION else 8
        self._descriptor = _call(_CREATE_RULESET, attributes[:size], size, 0)

    def keep(self, path: str, rights: int) -> None:
        """Keep rights on a file, or on a folder and all below it; what is not there, or cannot be opened, is left out.

        Raises:
            OSError: the kernel refuses the rule.
        """
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            rule = struct.pack("=Qi", rights & self._handled, descriptor)
            _call(_ADD_RULE, self._descriptor, _RULE_PATH, rule, 0)
        finally:
            os.close(descriptor)

    def keep_ports(self, ports: Iterable[int]) -> None:
        """Keep the right to connect to ports and to be connected to."""
        rule = _PortRule(_BIND_TCP | _CONNECT_TCP, 0)
        place = ctypes.byref(rule)
        for port in ports:
            rule.port = port
            _call(_ADD_RULE, self._descriptor, _RULE_PORT, place, 0)

    def restrict(self) -> None:
        """Give up all other rights, for this thread and whatever it starts; needs ``no_new_privs``.

        Raises:
            OSError: the kernel refuses.
        """
        _call(_RESTRICT_SELF, self._descriptor, 0)
        os.close(self._descriptor)


_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    # A plain number would be passed on as one of 32 bits.
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in (number, *arguments)]
    result: int = _libc.syscall(*longs)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
