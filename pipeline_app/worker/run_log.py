"""The log of one attempt: what the worker did and all that the application printed, in bounded memory and disk.

Lines of the application's are marked (see ``marking``). What somebody wrote into the file behind the worker's back is
not kept, since nobody could tell it from what the worker says.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from pathlib import Path
from types import TracebackType

from pipeline_app.worker.marking import MARK, Marker, own_lines
from pipeline_app.worker.scratch import remove

# An application may print without end: its first and last bytes are what a person needs.
HEAD_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 1024 * 1024
RECEIPT_TAIL_BYTES = 2048
_CHUNK = 1024 * 1024

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
        self._head = hashlib.sha256()
        # The application's output comes from a thread of its own.
        self._lock = threading.Lock()
        self._marker = Marker()
        self._omitted = 0
        self._tail = bytearray()
        self._tail_begins_line = True
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
        with self._lock:
            self._add(self._marker.end() + own_lines(text).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Add bytes that the application printed; once the log is closed they come too late and are left out."""
        with self._lock:
            self._add(self._marker.feed(data))

    def close(self) -> None:
        """Write the tail behind the head, with a line between them that says how many bytes were left out."""
        with self._lock:
            self._add(self._marker.end())
            self._restore()
            self._cut()
            if self._omitted:
                self._append(f"\n[… {self._omitted} bytes left out …]\n".encode())
                if not self._tail_begins_line:
                    # Whoever printed that line could have had it cut where the rest looks like a line of the worker's.
                    self._append(MARK.encode())
                    # Half a character would be no text.
                    self._tail = self._tail.lstrip(bytes(range(0x80, 0xC0)))
            self._append(bytes(self._tail))
            self._tail.clear()
            if self._unwritten:
                self._append(f"\n[… {self._unwritten} bytes lost: the disk was full …]\n".encode())
            self._file.close()

    def tail(self, size: int = RECEIPT_TAIL_BYTES) -> str:
        """Return the last ``size`` bytes of the closed log as text; half a line is marked as the application's."""
        with self.path.open("rb") as log:
            log.seek(0, 2)
            begin = max(0, log.tell() - size)
            log.seek(max(0, begin - 1))
            before = log.read(1) if begin else b"\n"
            text = log.read().decode("utf-8", "replace")
        return text if before == b"\n" else f"{MARK}…{text}"

    def _add(self, data: bytes) -> None:
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

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                count = self._file.write(left)
                self._head.update(left[:count])
                left = left[count:]
        except OSError as error:
            if not self._unwritten:
                _log.warning("the log %s cannot be written, the application goes on: %s", self.path, error)
            self._unwritten += len(left)

    def _cut(self) -> None:
        over = max(0, len(self._tail) - self._tail_bytes)
        if over:
            # The tail begins where the head ends, so what is there was cut already.
            self._tail_begins_line = self._tail[over - 1 : over] == b"\n"
        self._omitted += over
        del self._tail[:over]

    def _restore(self) -> None:
        """Put the log right if the application, whose working folder it is in, changed, removed or replaced it."""
        if self._was_changed():
            self._file.seek(0)
            self._file.truncate()
            self._append("[… the log was written to by somebody else, and its beginning is not kept …]\n".encode())
        if _is_same(self.path, self._file.fileno()):
            return
        self.path.parent.mkdir(exist_ok=True, parents=True)
        if self.path.is_dir() and not self.path.is_symlink():
            remove(self.path)
        self.path.unlink(missing_ok=True)
        removed, self._file = self._file, self.path.open("w+b", buffering=0)
        with removed:
            removed.seek(0)
            while data := removed.read(_CHUNK):
                self._append(data)

    def _was_changed(self) -> bool:
        """Tell whether the file holds anything but what was written here."""
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            return False
        found = hashlib.sha256()
        self._file.seek(0)
        while data := self._file.read(_CHUNK):
            found.update(data)
        return found.digest() != self._head.digest()


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False
