"""The beginning of an attempt: its input comes to this machine, unless there is nothing to do or to be had."""

from __future__ import annotations

from pathlib import Path

from pipeline_app.contract import FileJob, InputVersion, is_folder_marker
from pipeline_app.worker.attempt import Claimed, Fetched, Processed, known
from pipeline_app.worker.disk import Disk, is_full
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.results import remove_strays
from pipeline_app.worker.run_log import RunLog
from pipeline_app.worker.scratch import INPUT, attempt_scratch, put_back, safe_file_name
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.settling import PATIENCE, skip
from pipeline_app.worker.storage import BlobInfo, BlobMissing, BlobStore, BlobTooLarge, BlobUnreadable
from pipeline_app.worker.working import WorkingMark


def fetch(
    claimed: Claimed, disk: Disk, folder: Path, lifetime: Lifetime, settings: WorkerSettings, store: BlobStore
) -> Fetched | Processed:
    """Bring the input to this machine, and see whether there is anything to do at all.

    Args:
        claimed: the job.
        disk: has the room for it.
        folder: the worker's scratch folder.
        lifetime: knows what takes longer than any worker lives.
        settings: how many attempts there may be.
        store: has the input and what attempts before have left.

    Raises:
        BlobHeld: what has to be replaced cannot be.
        DiskFull: the disk was full before.
        WorkedOn: another attempt is at it.
    """
    job, history, began = claimed.job, claimed.history, claimed.outside.monotonic()
    # The application that ran last may have removed it, which must cost no other file an attempt.
    put_back(folder)
    disk.require()
    scratch = claimed.resources.enter_context(attempt_scratch(folder))
    input_file = scratch / INPUT / safe_file_name(job.name)
    refusal: str | None
    try:
        if history.attempt > settings.max_attempts:
            info, refusal, lasting = _find(job.name, store), history.verdict(), True
        elif verdict := lifetime.verdict(job):
            info, refusal, lasting = _find(job.name, store), verdict, True
        else:
            info, refusal, lasting = _download(job, input_file, disk, store)
    except BlobMissing:
        return skip(claimed, "the input was deleted")
    if is_folder_marker(info.name, info.size, info.metadata):
        return skip(claimed, "it stands for a folder")
    publication = Publication(
        directory=claimed.directory,
        id=claimed.outside.new_id(),
        input_etag=info.etag,
        input_name=job.name,
        store=store,
    )
    mark = WorkingMark(
        claim_seconds=claimed.claim.seconds,
        message_id=claimed.claim.message_id,
        publication=publication,
        started_at=claimed.outside.now(),
    )
    log, receipt = None, publication.find_receipt()
    # A message that was claimed before, counted or not, may have left something behind.
    first = claimed.unseen and receipt is None
    if not first:
        log, receipt = publication.finish_earlier()
        mark.respect(log)
    if receipt is not None and publication.is_done(receipt):
        # An attempt on whatever version of the input may have been lost half-way.
        remove_strays(publication, log, receipt)
        return skip(claimed, "this version has its receipt")
    if receipt is not None and receipt.held is not None:
        raise receipt.held
    if log is not None and log.held is not None:
        if log.held.passing and job.given_back < PATIENCE:
            raise log.held
        refusal, lasting = refusal or str(log.held), True
    version = InputVersion(etag=info.etag, name=job.name, sha256=info.sha256 or None, size=info.size)
    return Fetched(
        **known(claimed),
        fetch_seconds=claimed.outside.monotonic() - began,
        first=first,
        input_file=input_file,
        lasting=lasting,
        log=claimed.resources.enter_context(RunLog(scratch / "run.log")),
        mark=mark,
        publication=publication,
        refusal=refusal,
        scratch=scratch,
        version=version,
    )


def _download(job: FileJob, path: Path, disk: Disk, store: BlobStore) -> tuple[BlobInfo, str | None, bool]:
    """Download an input; return its version, why it cannot be had, if so, and whether that lasts."""
    try:
        return store.download(job.name, path, disk.budget), None, False
    except BlobTooLarge as error:
        path.unlink(missing_ok=True)
        return error.info, disk.refusal(error.info.size), True
    except BlobUnreadable as error:
        path.unlink(missing_ok=True)
        if error.passing and job.given_back < PATIENCE:
            raise
        return _find(job.name, store), str(error), True
    except OSError as error:
        if not is_full(error):
            raise
        path.unlink(missing_ok=True)
        # No application has run yet, so a disk that stays full without the input was filled by somebody else.
        disk.require()
        info = _find(job.name, store)
        refusal = (
            f"The input of {info.size} bytes could not be written to the disk: {error.strerror}. Lower scratchGib "
            "(APP_SCRATCH_BYTES) to what the disk has, or upload the input in parts."
        )
        return info, refusal, False


def _find(name: str, store: BlobStore) -> BlobInfo:
    info = store.head(name)
    if info is None:
        raise BlobMissing(name)
    return info
