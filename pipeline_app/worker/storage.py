"""What the worker needs of storage, as protocols: the Azure modules and the tests' fakes both follow them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class BlobHeld(Exception):
    """A blob that is there may not be overwritten or deleted, or not be read first; the text says why and what to do.

    Attributes:
        deletable: it may be deleted, though not overwritten.
        name: the blob.
        passing: this ends by itself within a minute or so, as a lease of limited duration does.
    """

    def __init__(self, name: str, reason: str, *, deletable: bool = False, passing: bool = False) -> None:
        super().__init__(reason)
        self.deletable = deletable
        self.name = name
        self.passing = passing


class BlobMissing(Exception):
    """There is no blob of that name."""


class BlobTooLarge(Exception):
    """The blob is larger than the caller has room for; ``info`` says what it is."""

    def __init__(self, info: BlobInfo) -> None:
        super().__init__(f"{info.name!r} has {info.size} bytes.")
        self.info = info


class BlobUnreadable(Exception):
    """The blob is there, but the service lets nobody, or not this worker, read it; the text says why.

    ``passing`` says that this may end by itself within minutes, as the wait for a scanner's verdict does.
    """

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


class ClaimLost(Exception):
    """Somebody else has the message, or the right to publish, by now."""


class Conflict(Exception):
    """A conditional write was refused: the blob is not in the state that the writer saw."""


@dataclass(frozen=True, kw_only=True)
class BlobInfo:
    """One blob: its name, ETag without quotes, size in bytes and metadata.

    ``age_seconds`` is the time since its last change by the service's clock, where the blob was looked at alone, and
    ``sha256`` in hex is known of what was downloaded. ``held`` says why it cannot be overwritten now, where the look
    at it alone showed that.
    """

    name: str
    etag: str
    size: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    age_seconds: float = 0.0
    held: BlobHeld | None = None
    sha256: str = ""


@dataclass(kw_only=True)
class Message:
    """A claimed message; ``pop_receipt`` is the proof of the claim and changes with each renewal."""

    id: str
    pop_receipt: str
    dequeue_count: int
    content: str


class BlobStore(Protocol):
    """The blob container of the pipeline.

    ``expected`` makes a write conditional: None means that the blob must not exist, an ETag that it must be that
    version. A refused condition raises Conflict, and the storage service, not the caller's timing, decides it.
    ``head`` and ``download`` raise BlobUnreadable; ``read`` and whatever changes a blob raise BlobHeld.
    """

    def head(self, name: str) -> BlobInfo | None:
        """Return the blob's state, or None."""

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Iterate over the blobs whose name starts with ``prefix``, with their metadata."""

    def download(self, name: str, path: Path, limit: int | None = None) -> BlobInfo:
        """Write one version of the blob to ``path``; raises BlobMissing, or BlobTooLarge above ``limit`` bytes."""

    def read(self, name: str, etag: str, offset: int, length: int) -> bytes:
        """Return a range of that version; raises Conflict if it is gone."""

    def put_bytes(self, name: str, data: bytes, *, expected: str | None, metadata: Mapping[str, str]) -> str:
        """Write a blob and return its ETag; raises Conflict."""

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        expected: str | None,
        metadata: Mapping[str, str],
        writer: str,
        pieces: Sequence[str] | None = None,
    ) -> str:
        """Write a file's content as a blob and return its ETag; raises Conflict.

        ``writer`` (hex, of constant length) keeps the blocks of two writers of one blob apart. ``pieces`` are the
        SHA-256 of the file's pieces in hex (see ``azure_ranges.piece_bytes``): with another content nothing is written,
        and Vanished is raised.
        """

    def delete(self, name: str, expected: str) -> None:
        """Delete that version of the blob with its snapshots; raises Conflict if it is another or gone."""

    def is_transient(self, error: Exception) -> bool:
        """Tell whether an error is the service's or the network's passing state and says nothing about the file."""


class JobQueue(Protocol):
    """The queue of jobs."""

    def receive(self, claim_seconds: int) -> Message | None:
        """Claim a message for so many seconds, or return None."""

    def renew(self, message: Message, claim_seconds: int, content: str | None = None) -> None:
        """Extend the claim, and replace the content if there is a new one; raises ClaimLost."""

    def give_back(self, message: Message, content: str, delay_seconds: float) -> None:
        """End the claim with new content, visible after the delay; raises ClaimLost."""

    def delete(self, message: Message) -> None:
        """Delete the message; raises ClaimLost."""

    def bury(self, message: Message) -> None:
        """Move a message that cannot be read to the poison queue."""

    def is_empty(self) -> bool:
        """Tell whether there is no message, visible or claimed."""


def code_of(error: BaseException | None) -> str | None:
    """Return the storage's own word for an error or for what caused it, None where it said none."""
    while error is not None:
        code = getattr(error, "code", None)
        if isinstance(code, str) and code:
            return code
        error = error.__cause__
    return None
