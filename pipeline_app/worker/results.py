"""The results of an input in storage: those of a new version take the places of those of an older one."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Sequence

from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.storage import BlobHeld, BlobInfo, ClaimLost, Conflict

# Each round loses only to another writer's progress, so many rounds mean that something else writes there.
MAX_ROUNDS = 20

_log = logging.getLogger(__name__)


class NameClash(Exception):
    """A result would overwrite a result of another input; the text names both."""


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
    return _delete_others(publication, mine, claim)


def remove_own(publication: Publication) -> None:
    """Delete the results that an attempt wrote which does not come to commit them, as far as it can know."""
    own = [blob for blob in _results(publication) if blob.metadata.get("attempt") == publication.id]
    # It may have committed without having the answer, and others may have written its receipt since.
    if own and all(blob is None or blob.metadata.get("attempt") != publication.id for blob in publication.look()):
        _delete(publication, own)


def remove_strays(publication: Publication, log: BlobInfo | None, receipt: BlobInfo) -> None:
    """Delete what attempts that never came to commit left beside the results of the newest version.

    Args:
        publication: of that version.
        log: the log's state, from before the results are looked at.
        receipt: the receipt of that version.
    """
    if log is None or log.metadata.get("attempt") != receipt.metadata.get("attempt"):
        return
    strays = [blob for blob in _results(publication) if blob.metadata.get("attempt") != log.metadata["attempt"]]
    try:
        if strays:
            # Who takes over claims the log first. If it is as it was, what was seen is nobody's who may still commit;
            # and what is written from now on has another ETag.
            publication.require_claim(log.etag)
    except ClaimLost:
        return
    _delete(publication, strays)


def _delete(publication: Publication, blobs: Iterable[BlobInfo]) -> None:
    for blob in blobs:
        try:
            publication.store.delete(blob.name, blob.etag)
        except (BlobHeld, Conflict) as reason:
            _log.info("%r is left beside the results: %s", blob.name, reason)


def _delete_others(publication: Publication, mine: Container[str], claim: str) -> list[BlobHeld]:
    left = []
    for blob in _results(publication):
        if blob.name not in mine:
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


def _results(publication: Publication) -> Iterator[BlobInfo]:
    for blob in publication.store.list(f"{publication.directory}/"):
        if blob.metadata.get("owner") == publication.owner and "sha256" in blob.metadata:
            yield blob
