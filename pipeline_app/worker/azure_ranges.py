"""Files to and from blobs, in parallel ranges where they are large, and never more than a piece of each in memory."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPMessage
from pathlib import Path
from typing import Final

from pipeline_app.rest.connections import PIECE_BYTES
from pipeline_app.rest.endpoint import Endpoint, StorageError, StorageUnreachable
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker.scratch import Vanished

# What is no larger moves in one request, and of a larger file this much tells how large it is.
SINGLE_BYTES: Final = 16 * 1024 * 1024
# Smaller ranges cost more requests than they gain. A failed one is moved again as a whole.
RANGE_BYTES: Final = 64 * 1024 * 1024
PARALLEL_RANGES: Final = 4
# The hash follows a range in steps of this size while it comes: waiting for whole ranges would leave a processor idle
# at the beginning and at the end.
TOLD_BYTES: Final = 4 * 1024 * 1024
# A blob has 50,000 blocks at most, and 100,000 that nobody has committed yet: with this bound there is room for what
# several attempts that broke off have left behind.
# Source: https://learn.microsoft.com/azure/storage/blobs/scalability-targets
MAX_BLOCKS: Final = 20_000


def download(endpoint: Endpoint, name: str, path: Path, limit: int | None = None) -> tuple[Answer, str]:
    """Write one version of a blob to a file; of one with more than ``limit`` bytes, its first range alone.

    Returns:
        The service's answer, whose headers describe the blob, and the content's SHA-256 in hex.

    Raises:
        OSError: the file cannot be written.
        StorageError: status 404 where there is none, 412 where it was overwritten in between.
        StorageUnreachable: no answer could be had, or less than was asked for.
    """
    digest = hashlib.sha256()
    with path.open("w+b", buffering=0) as target:

        def begin(headers: HTTPMessage) -> Callable[[memoryview], None]:
            nonlocal digest
            digest = hashlib.sha256()
            # A try that broke off may have left something. Truncating an empty file is not for free: ext4 would then
            # allocate all that is written to it at once when it is closed (auto_da_alloc), 0.4 s for 1 GiB.
            if os.fstat(target.fileno()).st_size:
                target.truncate(0)
            position = 0

            def take(piece: memoryview) -> None:
                nonlocal position
                digest.update(piece)
                position += _write(target.fileno(), piece, position)

            return take

        try:
            answer = endpoint.call("GET", name, headers={"x-ms-range": f"bytes=0-{SINGLE_BYTES - 1}"}, sink=begin)
        except StorageError as error:
            # An empty blob has no range.
            if error.status != 416:
                raise
            answer = endpoint.call("HEAD", name)
            if total_bytes(answer):
                raise StorageError(412, "ConditionNotMet", f"{name!r} was empty a moment ago.") from error
        size = total_bytes(answer)
        if answer.status == 206 and size > SINGLE_BYTES and (limit is None or size <= limit):
            _rest(endpoint, name, target.fileno(), size, answer.headers["ETag"], digest.update)
    return answer, digest.hexdigest()


def total_bytes(answer: Answer) -> int:
    """Return the size of the whole blob of which an answer has a range, or all."""
    _, _, total = answer.headers.get("Content-Range", "").rpartition("/")
    return int(total or answer.headers.get("Content-Length", "0"))


def block_bytes(size: int) -> int:
    """Return the size of the blocks of a file of so many bytes, in whole MiB."""
    mib = 1024 * 1024
    return max(RANGE_BYTES, -(-size // (MAX_BLOCKS * mib)) * mib)


def piece_bytes(size: int) -> int:
    """Return the size of the pieces in which a file of so many bytes goes up."""
    return max(size, 1) if size <= SINGLE_BYTES else block_bytes(size)


def stage(
    endpoint: Endpoint, name: str, path: Path, size: int, writer: str, pieces: Sequence[str] | None = None
) -> bytes:
    """Put a file up as uncommitted blocks, and return the list of them that commits them.

    Uncommitted blocks belong to the blob's name, not to a writer: an id with ``writer`` (hex, of constant length) in
    it keeps the blocks of a late writer out of this one's list.

    Where the SHA-256 of each block is given in hex, in ``pieces``, no other content goes up.

    Raises:
        OSError: the file cannot be read.
        StorageError: the service refused a block.
        Vanished: the file has another content by now.
    """
    step = block_bytes(size)

    def block(offset: int) -> str:
        return base64.b64encode(f"{writer}{offset // step:08d}".encode()).decode()

    def put(offset: int) -> None:
        length = min(step, size - offset)
        query = {"blockid": block(offset), "comp": "block"}
        sha256 = pieces[offset // step] if pieces else None
        endpoint.call("PUT", name, query, body=lambda: FileRange(path, offset, length, sha256), length=length)

    offsets = range(0, size, step)
    _in_order(put, offsets, lambda _offset, done: done.result())
    listed = "".join(f"<Latest>{block(offset)}</Latest>" for offset in offsets)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()


class FileRange:
    """Part of a file, which a request reads bit by bit; its last bytes are given away only if all of it is as expected.

    Raises:
        Vanished: the SHA-256 in hex, where one is given, is that of another content.
    """

    def __init__(self, path: Path, offset: int, length: int, sha256: str | None = None) -> None:
        self._digest = hashlib.sha256() if sha256 is not None else None
        self._expected = sha256
        self._file = path.open("rb", buffering=0)
        self._file.seek(offset)
        self._left = length

    def __enter__(self) -> FileRange:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """Return the next bytes; a file that has become shorter than the range is an error."""
        wanted = min(size, self._left)
        data = self._file.read(wanted)
        if wanted and not data:
            raise OSError(f"{self._file.name} has become shorter while it was put up")
        self._left -= len(data)
        if self._digest is not None:
            self._digest.update(data)
            if not self._left and self._digest.hexdigest() != self._expected:
                raise Vanished(f"{self._file.name} was changed after its run had ended")
        return data


class _Progress:
    """How far each range of a file is on disk, told by those that fetch them to the one that hashes them in order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ended: set[int] = set()
        self._reached: dict[int, int] = {}

    def tell(self, offset: int, reached: int) -> None:
        """Let it be known that the range at ``offset`` is on disk as far as ``reached``."""
        with self._changed:
            self._reached[offset] = reached
            self._changed.notify_all()

    def end(self, offset: int) -> None:
        """Let it be known that no more of a range will come."""
        with self._changed:
            self._ended.add(offset)
            self._changed.notify_all()

    def beyond(self, offset: int, position: int) -> int:
        """Wait until a range is on disk farther than ``position``, or no more of it will come; return how far."""
        with self._changed:
            self._changed.wait_for(lambda: offset in self._ended or self._reached.get(offset, 0) > position)
            return self._reached.get(offset, 0)


def _rest(
    endpoint: Endpoint, name: str, target: int, size: int, etag: str, update: Callable[[memoryview], None]
) -> None:
    """Fetch what comes after the first range, of the same version, and hash it in order while it comes."""
    progress = _Progress()

    def fetch(offset: int) -> None:
        end = min(offset + RANGE_BYTES, size)
        position = offset

        def begin(headers: HTTPMessage) -> Callable[[memoryview], None]:
            nonlocal position
            position = told = offset

            def take(piece: memoryview) -> None:
                nonlocal position, told
                position += _write(target, piece, position)
                if position - told >= TOLD_BYTES:
                    progress.tell(offset, position)
                    told = position

            return take

        wanted = {"If-Match": etag, "x-ms-range": f"bytes={offset}-{end - 1}"}
        try:
            endpoint.call("GET", name, headers=wanted, sink=begin)
            if position != end:
                raise StorageUnreachable(
                    f"the range {wanted['x-ms-range']} of {name!r} came with {position - offset} bytes"
                )
            progress.tell(offset, end)
        finally:
            progress.end(offset)

    buffer = memoryview(bytearray(PIECE_BYTES))

    def follow(offset: int, fetched: Future[None]) -> None:
        # A range that is fetched again is of the same version, so what was hashed of it holds.
        position = offset
        while (reached := progress.beyond(offset, position)) > position:
            while position < reached:
                count = os.preadv(target, [buffer[: min(PIECE_BYTES, reached - position)]], position)
                if not count:
                    raise OSError(f"The file became shorter while it came: it ends before byte {position:,}.")
                update(buffer[:count])
                position += count
        fetched.result()

    _in_order(fetch, range(SINGLE_BYTES, size, RANGE_BYTES), follow)


def _in_order(work: Callable[[int], None], offsets: range, follow: Callable[[int, Future[None]], None]) -> None:
    """Do the work for each offset, some at a time, and follow each in order to its end."""
    ahead: deque[tuple[int, Future[None]]] = deque()
    waiting = iter(offsets)
    with ThreadPoolExecutor(PARALLEL_RANGES) as pool:
        try:
            while True:
                # As many wait as are under way, lest these wait for the one that follows; not more, so that a file of
                # any size takes the same memory, and what is hashed next has not left the page cache yet.
                for offset in waiting:
                    ahead.append((offset, pool.submit(work, offset)))
                    if len(ahead) > 2 * PARALLEL_RANGES:
                        break
                if not ahead:
                    return
                follow(*ahead.popleft())
        except BaseException:
            # What has not begun yet would only be thrown away.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write(target: int, piece: memoryview, position: int) -> int:
    written = 0
    while written < len(piece):
        written += os.pwrite(target, piece[written:], position + written)
    return written
