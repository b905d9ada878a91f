"""Ports of this machine for servers that start later."""

from __future__ import annotations

import socket


def hold_port() -> socket.socket:
    """Return a socket that keeps a free port of loopback for a server that starts later, until it is closed.

    Nobody who asks for a free port is given this one. A server that names it and sets SO_REUSEADDR may listen there, as
    the holder does not listen. Source: Linux, socket(7), ``SO_REUSEADDR``; ip(7), ``ip_local_port_range``.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder
