"""A port that is held for a server which starts later."""

from __future__ import annotations

import socket
import struct

import pytest

from infra.local.services.ports import hold_port
from pipeline_app.worker import health
from pipeline_app.worker.status import Status

# Linux, include/uapi/linux/in.h; since 6.3.
IP_LOCAL_PORT_RANGE = 51


def test_nobody_else_is_given_a_port_that_is_held_and_its_server_may_listen_there() -> None:
    with hold_port() as held:
        address = held.getsockname()
        with socket.socket() as other:
            # The one free port that it may be given is the one that is held.
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", address[1] << 16 | address[1]))
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", 0))
        with health.serve(Status(image="app", release="1", slots=1), address[1], "127.0.0.1") as port:
            assert port == address[1]
            socket.create_connection(address, timeout=5).close()
