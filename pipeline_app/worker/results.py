"""The results of an input in storage: those of a new version take the places of those of an older one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_app.worker.storage import BlobHeld, BlobInfo, ClaimLost, Conflict

if TYPE_CHECKING:
    from pipeline_app.worker.publication import Publication

# Each round loses only to another writer's progress, so many rounds mean that something else writes there.
MAX_ROUNDS = 20


class NameClash(Exception):
    """A result would overwrite a result of another input; the text names both."""


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A result on disk as its run left it, and as nothing else is published.

    Attributes:
        name: below the output folder.
        path: of the file.
        pieces: the SHA-256 of each piece in hex, as ``azure_ranges.piece_bytes`` cuts it.
        sha256: of all of it, in hex.
        size: in bytes.
    """

    name: str
    path: Path
    pieces: tuple[str, ...]
    size: int
    sha256: str


def replace_outputs(publication: Publication, files: Sequence[LocalFile], claim: str) -> list[BlobHeld]:
    """Put the results where they belong, under a claim on the log, and delete those of older versions beside them.

    Returns:
        Why results of older versions, which are in nobody's way, could not be deleted.

    Raises:
        BlobHeld: a blob that has to be overwritten cannot be.
        ClaimLost: another attempt took over.
        NameClash: a result belongs to another input.
    """
    mine = {f"{publication.directory}/{file.name}": file for file in files}
    for name, file in mine.items():
        _replace(publication, name, file, claim)
    left = []
    for blob in publication.store.list(f"{publication.directory}/"):
        if blob.metadata.get("owner") == publication.owner and "sha256" in blob.metadata and blob.name not in mine:
            publication.require_claim(claim)
            try:
                publication.store.delete(blob.name, blob.etag)
            except Conflict:
                # A late writer touched it; the next take-over or overwrite tidies up.
                continue
            except BlobHeld as held:
                left.append(held)
    return left


def _replace(publication: Publication, name: str, file: LocalFile, claim: str) -> None:
    for _ in range(MAX_ROUNDS):
        blob = publication.store.head(name)
        if blob is not None:
            owner = blob.metadata.get("owner", publication.owner)
            if owner != publication.owner:
                raise NameClash(
                    f"The result {file.name!r} would overwrite {name!r}, which belongs to another input. "
                    "Rename one of the two inputs, of which one is named like a folder of the other."
                )
            if blob.metadata.get("claim") == claim:
                # A repeated request of the SDK meets what its first try wrote. Nothing older may be kept, not
                # even with the same content: an earlier holder of the claim may be about to overwrite it, and
                # only a new ETag stops that.
                return
        # The claim is checked after the ETag was read: a later attempt writes only after it took the claim, so
        # if the claim still stands, the ETag is from before and the condition below fails once it has written.
        publication.require_claim(claim)
        try:
            _put(publication, file, blob, claim)
        except Conflict:
            continue
        return
    raise ClaimLost(f"{name!r} changed {MAX_ROUNDS} times while it was replaced.")


def _put(publication: Publication, file: LocalFile, blob: BlobInfo | None, claim: str) -> None:
    try:
        publication.put_output(file, blob.etag if blob else None, claim)
    except BlobHeld as held:
        if blob is None or not held.deletable:
            raise
        publication.store.delete(blob.name, blob.etag)
        publication.put_output(file, None, claim)
