"""The log of one attempt: everything the application printed, in bounded memory and disk."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from types import TracebackType

from pipeline_app.worker.scratch import remove

# An application may print without end: its first and last bytes are what a person needs.
HEAD_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 1024 * 1024
RECEIPT_TAIL_BYTES = 2048

_log = logging.getLogger(__name__)


class RunLog:
    """Collects what the steps print: the first 8 MiB go to disk, of the rest the last 1 MiB is kept.

    A full disk costs bytes of the log and never the attempt: what cannot be written is counted and named in the log.
    """

    def __init__(self, path: Path, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self.path = path
        # Without a buffer there is nothing that a full disk would keep from being closed.
        self._file = path.open("w+b", buffering=0)
        self._head_left = head_bytes
        # The application's output comes from a thread of its own.
        self._lock = threading.Lock()
        self._omitted = 0
        self._tail = bytearray()
        self._tail_bytes = tail_bytes
        self._unwritten = 0

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()

    def line(self, text: str) -> None:
        """Add a line of the worker's own."""
        self.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def write(self, data: bytes) -> None:
        """Add bytes that the application printed; once the log is closed they come too late and are left out."""
        with self._lock:
            if self._file.closed:
                return
            if self._head_left:
                head, data = data[: self._head_left], data[self._head_left :]
                self._append(head)
                self._head_left -= len(head)
            self._tail += data
            # Cutting at twice the size moves each byte once, however few come at a time.
            if len(self._tail) >= 2 * self._tail_bytes:
                self._cut()

    def close(self) -> None:
        """Write the tail behind the head, with a line between them that says how many bytes were left out."""
        with self._lock:
            self._restore()
            self._cut()
            if self._omitted:
                self._append(f"\n[… {self._omitted} bytes left out …]\n".encode())
            self._append(bytes(self._tail))
            self._tail.clear()
            if self._unwritten:
                self._append(f"\n[… {self._unwritten} bytes lost: the disk was full …]\n".encode())
            self._file.close()

    def tail(self, size: int = RECEIPT_TAIL_BYTES) -> str:
        """Return the last ``size`` bytes of the closed log as text."""
        with self.path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - size))
            return log.read().decode("utf-8", "replace")

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            if not self._unwritten:
                _log.warning("the log %s cannot be written, the application goes on: %s", self.path, error)
            self._unwritten += len(left)

    def _cut(self) -> None:
        over = max(0, len(self._tail) - self._tail_bytes)
        self._omitted += over
        del self._tail[:over]

    def _restore(self) -> None:
        """Put the log back in its place if the application, whose working folder it is in, removed or replaced it."""
        if _is_same(self.path, self._file.fileno()):
            return
        self.path.parent.mkdir(exist_ok=True, parents=True)
        if self.path.is_dir() and not self.path.is_symlink():
            remove(self.path)
        self.path.unlink(missing_ok=True)
        removed, self._file = self._file, self.path.open("w+b", buffering=0)
        with removed:
            removed.seek(0)
            while data := removed.read(1024 * 1024):
                self._append(data)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False
