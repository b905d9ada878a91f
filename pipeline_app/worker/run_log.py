"""The log of one attempt: everything the application printed, in bounded memory and disk."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import TracebackType

# An application may print without end: its first and last bytes are what a person needs.
HEAD_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 1024 * 1024
RECEIPT_TAIL_BYTES = 2048


class RunLog:
    """Collects what the steps print: the first 8 MiB go to disk, of the rest the last 1 MiB is kept."""

    def __init__(self, path: Path, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self.path = path
        self._file = path.open("w+b")
        self._head_left = head_bytes
        self._tail: deque[bytes] = deque()
        self._tail_bytes = tail_bytes
        self._tail_size = 0
        self._omitted = 0

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def line(self, text: str) -> None:
        """Add a line of the worker's own."""
        self.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def write(self, data: bytes) -> None:
        """Add bytes that the application printed."""
        if self._head_left:
            head, data = data[: self._head_left], data[self._head_left :]
            self._file.write(head)
            self._head_left -= len(head)
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= self._tail_bytes:
            dropped = self._tail.popleft()
            self._tail_size -= len(dropped)
            self._omitted += len(dropped)

    def close(self) -> None:
        """Write the tail behind the head, with a line between them that says how many bytes were left out."""
        if self._omitted:
            self._file.write(f"\n[… {self._omitted} bytes left out …]\n".encode())
        for data in self._tail:
            self._file.write(data)
        self._tail.clear()
        self._file.close()

    def tail(self, size: int = RECEIPT_TAIL_BYTES) -> str:
        """Return the last ``size`` bytes of the closed log as text."""
        with self.path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - size))
            return log.read().decode("utf-8", "replace")
