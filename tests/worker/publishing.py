"""Publications of one input's results, as a job makes them, and what anyone sees of them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_app.contract import InputVersion, OutputFile, Receipt, now
from pipeline_app.worker import commit
from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.working import WorkingMark
from tests.memory.worker import MemoryStore

DIRECTORY = "outgoing/a.csv"
INPUT = "incoming/a.csv"


class Killed(BaseException):
    """The worker was killed at this very call."""


def make_files(folder: Path, contents: Mapping[str, bytes]) -> list[LocalFile]:
    files = []
    for name, data in contents.items():
        path = folder / name
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        files.append(LocalFile(name=name, path=path, pieces=(sha256,), sha256=sha256, size=len(data)))
    return files


def make_receipt(etag: str, files: list[LocalFile], error: str | None = None) -> Receipt:
    return Receipt(
        attempt=1,
        config_sha256="",
        error=error,
        event_id="e",
        exit_code=0,
        finished_at=now(),
        image="i",
        input=InputVersion(etag=etag, name=INPUT, sha256="", size=1),
        outputs=tuple(OutputFile(name=f"{DIRECTORY}/{f.name}", sha256=f.sha256, size=f.size) for f in files),
        queued_at=now(),
        release="r",
        started_at=now(),
        status="failed" if error else "succeeded",
    )


def make_mark(store: Any, etag: str, message: str, **own: str) -> WorkingMark:
    attempt = own.get("id") or uuid.uuid4().hex
    publication = Publication(directory=DIRECTORY, id=attempt, input_etag=etag, input_name=INPUT, store=store)
    return WorkingMark(
        claim_seconds=60, message_id=message, publication=publication, started_at="2026-01-01T00:00:00.000Z"
    )


def publish(
    store: Any,
    folder: Path,
    etag: str,
    contents: Mapping[str, bytes],
    *,
    mark: WorkingMark | None = None,
    number: int = 1,
) -> bool | None:
    """Do what JobProcessor does around a publication; None means that the version was done already."""
    folder.mkdir(exist_ok=True)
    publication = mark.publication if mark else make_mark(store, etag, "m").publication
    receipt = publication.find_receipt()
    first = number == 1 and receipt is None
    if not first:
        there, receipt = publication.finish_earlier()
        if mark:
            mark.respect(there)
    if publication.is_done(receipt):
        return None
    if mark:
        mark.renew()
        first = first and not mark.written
    files = make_files(folder, contents)
    log = folder / "run.log"
    log.write_bytes(b"what the application printed\n")
    return commit.publish(publication, make_receipt(etag, files), files, log, first=first)


def visible(store: MemoryStore) -> Receipt | None:
    """Return the receipt that anyone would see now, having checked it against the results that are there."""
    if f"{DIRECTORY}/receipt.json" not in store.blobs:
        return None
    receipt = Receipt.decode(store.content(f"{DIRECTORY}/receipt.json").decode())
    for output in receipt.outputs:
        data = store.content(output.name)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output.size, output.sha256), f"torn: {output.name}"
    return receipt
