"""Messages between the worker and its keepers: JSON with its length before it, and open files beside it."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

_LENGTH: Final = struct.Struct("=I")


def send(channel: socket.socket, record: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send a message; the other side gets copies of the descriptors.

    Raises:
        OSError: the other side is gone.
    """
    data = json.dumps(record).encode()
    # Files go with the first bytes of a message.
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    channel.sendmsg([_LENGTH.pack(len(data))], ancillary)
    channel.sendall(data)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for a message and return it with the files that came along; None where the other side is gone."""
    try:
        head, descriptors, *_ = socket.recv_fds(channel, _LENGTH.size, 4)
        while head and len(head) < _LENGTH.size:
            head += _exactly(channel, _LENGTH.size - len(head))
        if not head:
            return None
        data = _exactly(channel, _LENGTH.unpack(head)[0])
    except ConnectionError:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return json.loads(data), list(descriptors)


def _exactly(channel: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = channel.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("The message breaks off.")
        data += piece
    return bytes(data)
