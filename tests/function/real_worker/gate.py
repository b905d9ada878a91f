"""A gate in front of a port, which shows how many wait for an answer at one time."""

from __future__ import annotations

import socket
import socketserver
import threading


class Gate(socketserver.ThreadingTCPServer):
    """Passes connections on to a port, from when so many are open at one time on."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, together: int) -> None:
        super().__init__(("127.0.0.1", 0), GateHandler)
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()
        self.port = port
        self.together = together
        self.waiting = 0
        self.waiting_lock = threading.Lock()


class GateHandler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Gate

    def handle(self) -> None:
        with self.server.waiting_lock:
            self.server.waiting += 1
            if self.server.waiting >= self.server.together:
                self.server.opened.set()
        self.server.arrived.release()
        while not self.server.opened.wait(0.05):
            # Who gives up and comes again is one and not two.
            if self._is_closed():
                with self.server.waiting_lock:
                    self.server.waiting -= 1
                return
        with socket.create_connection(("127.0.0.1", self.server.port)) as onward:
            back = threading.Thread(target=pump, args=(onward, self.request), daemon=True)
            back.start()
            pump(self.request, onward)
            back.join()

    def _is_closed(self) -> bool:
        try:
            return not self.request.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return False


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until the source ends."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The other end has gone.
        return


def through(gate: Gate, connection_string: str) -> str:
    """Return a connection string whose queues are behind the gate."""
    return connection_string.replace(
        f"QueueEndpoint=http://127.0.0.1:{gate.port}", f"QueueEndpoint=http://127.0.0.1:{gate.server_address[1]}"
    )
