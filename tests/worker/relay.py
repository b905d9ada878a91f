"""What stands between a worker and storage and may stop passing anything on, as a network that drops all packets."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

PIECE_BYTES = 65536


class Relay:
    """Passes on what comes for a port of this machine, until a request comes that matches ``stall_at``.

    Attributes:
        stalled: set from then on; the request, and all that comes after it on whichever connection, waits for
            ``resumed``.
    """

    def __init__(self, upstream: tuple[str, int], stall_at: str) -> None:
        self.resumed = threading.Event()
        self.stalled = threading.Event()
        self._pattern = re.compile(stall_at.encode())
        self._sockets: list[socket.socket] = []
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.resumed.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._upstream)
                self._sockets += (near, far)
                for source, target, look in ((near, far, self._look), (far, near, self._wait)):
                    threading.Thread(target=_pass_on, args=(source, target, look), daemon=True).start()

    def _look(self, data: bytes) -> None:
        if self._pattern.search(data):
            self.stalled.set()
        self._wait(data)

    def _wait(self, data: bytes) -> None:
        if self.stalled.is_set():
            self.resumed.wait()


def _pass_on(source: socket.socket, target: socket.socket, look: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(PIECE_BYTES):
            look(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def relayed(connection_string: str, *, blobs: str, queues: str = "(?!)") -> Iterator[tuple[str, Relay, Relay]]:
    """Yield an account's connection string through relays, and those before its blobs and its queues.

    Args:
        connection_string: names both services by address and port.
        blobs: at which request for blobs nothing is passed on any more, as an expression.
        queues: the same for queues; by default none.
    """
    through, relays = connection_string, []
    with ExitStack() as stack:
        for service, pattern in (("Blob", blobs), ("Queue", queues)):
            found = re.search(rf"{service}Endpoint=http://([\d.]+):(\d+)/", connection_string)
            assert found is not None
            relay = Relay((found[1], int(found[2])), pattern)
            stack.callback(relay.close)
            relays.append(relay)
            through = re.sub(rf"({service}Endpoint=http://[\d.]+:)\d+", rf"\g<1>{relay.port}", through)
        yield through, relays[0], relays[1]
