"""What happens to one message, from claim to receipt."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline_app.contract import ContractError, FileJob, InputVersion, OutputFile, Receipt, now
from pipeline_app.worker.application import RunResult, run_application
from pipeline_app.worker.claim import Claim
from pipeline_app.worker.outputs import sha256_of
from pipeline_app.worker.process import Interrupted
from pipeline_app.worker.publication import InputChanged, NameClash, Publication
from pipeline_app.worker.run_log import RunLog
from pipeline_app.worker.scratch import attempt_scratch, safe_file_name
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.storage import BlobInfo, BlobMissing, BlobStore, ClaimLost, JobQueue, Message

# After the last attempt only the receipt of the failure is left to write; if even that is refused, a person is needed.
MAX_RECEIPT_TRIES = 10
MAX_RETRY_SECONDS = 60.0
RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of a message."""

    BURIED = "buried"
    FAILED = "failed"
    GIVEN_BACK = "given back"
    LOST = "lost"
    SKIPPED = "skipped"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, kw_only=True)
class Processed:
    """What became of a message, and in how many seconds it will be visible again (0 if it is settled)."""

    outcome: Outcome
    again_in: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One claim of one job: what all steps of it need to know."""

    job: FileJob
    number: int
    started_at: str
    version: InputVersion
    publication: Publication


class JobProcessor:
    """Processes messages one at a time; several threads may share one processor."""

    def __init__(
        self,
        settings: WorkerSettings,
        store: BlobStore,
        queue: JobQueue,
        scratch: Path,
        stopping: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._scratch = scratch
        self._stopping = stopping

    def process(self, message: Message, started: Callable[[str, int], None]) -> Processed:
        """Bring a claimed message to its end: a receipt, or back on the queue.

        Args:
            message: the claimed message.
            started: told the input's name and the attempt's number.
        """
        try:
            job = FileJob.decode(message.content)
            directory = self._settings.names.output_directory(job.name)
        except ContractError as error:
            _log.error("message %s is buried in the poison queue: %s", message.id, error)
            self._queue.bury(message)
            return Processed(outcome=Outcome.BURIED)
        number = message.dequeue_count - job.given_back
        if number > self._settings.max_attempts + MAX_RECEIPT_TRIES:
            _log.error(
                "message %s is buried in the poison queue: no receipt can be written for %r", message.id, job.name
            )
            self._queue.bury(message)
            return Processed(outcome=Outcome.BURIED)
        started(job.name, number)
        _log.info("claimed %r attempt=%d", job.name, number)
        with Claim(self._queue, message, self._settings.claim_seconds) as claim:
            try:
                return self._attempt(job, number, directory, claim, unseen=message.dequeue_count == 1)
            except ClaimLost as error:
                _log.warning("lost %r attempt=%d: %s", job.name, number, error)
                return Processed(outcome=Outcome.LOST)
            except Interrupted:
                if claim.lost:
                    _log.warning("lost %r attempt=%d: another worker has the message", job.name, number)
                    return Processed(outcome=Outcome.LOST)
                return self._give_back(claim, job, number, "the worker is stopping", delay=0.0, counted=False)
            except InputChanged as error:
                return self._give_back(claim, job, number, str(error), delay=0.0, counted=False)
            except Exception as error:
                transient = self._store.is_transient(error)
                if not transient:
                    _log.exception("attempt %d of %r broke off", number, job.name)
                delay = _backoff(job.given_back if transient else number)
                return self._give_back(claim, job, number, _sentence(error), delay=delay, counted=not transient)

    def _attempt(self, job: FileJob, number: int, directory: str, claim: Claim, *, unseen: bool) -> Processed:
        started_at = now()
        with attempt_scratch(self._scratch) as scratch:
            input_file = scratch / "input" / safe_file_name(job.name)
            given_up = number > self._settings.max_attempts
            try:
                info = self._find(job.name) if given_up else self._store.download(job.name, input_file)
            except BlobMissing:
                return self._skip(claim, job, "the input was deleted")
            publication = Publication(directory=directory, input_etag=info.etag, input_name=job.name, store=self._store)
            receipt = publication.find_receipt()
            # A message that was claimed before, counted or not, may have left something behind.
            first = unseen and receipt is None
            if not first:
                receipt = publication.finish_earlier()
            if publication.is_done(receipt):
                return self._skip(claim, job, "this version has its receipt")
            attempt = _Attempt(
                job=job,
                number=number,
                publication=publication,
                started_at=started_at,
                version=InputVersion(
                    etag=info.etag,
                    name=job.name,
                    sha256=None if given_up else sha256_of(input_file),
                    size=info.size,
                ),
            )
            with RunLog(scratch / "run.log") as log:
                log.line(f"[pipeline] {job.name} version {info.etag} attempt {number} started {started_at}")
                if given_up:
                    result = RunResult(config_sha256="", error=_given_up(number - 1), exit_code=None)
                    log.line(f"[pipeline] {result.error}")
                else:
                    result = run_application(
                        self._settings,
                        directory=directory,
                        input_file=input_file,
                        interrupted=lambda: self._stopping() or claim.lost,
                        log=log,
                        scratch=scratch,
                    )
                log.close()
                self._keep_log(log.path)
                if result.error and number < self._settings.max_attempts:
                    delay = _backoff(number)
                    return self._give_back(claim, job, number, result.error, delay=delay, counted=True)
                return self._publish(attempt, result, log, claim, first=first)

    def _publish(self, attempt: _Attempt, result: RunResult, log: RunLog, claim: Claim, *, first: bool) -> Processed:
        receipt = self._receipt(attempt, result, log)
        log_size = log.path.stat().st_size
        try:
            mine = attempt.publication.publish(receipt, result.files, log.path, first=first)
        except NameClash as clash:
            # The log ends in the receipt that was not to be.
            os.truncate(log.path, log_size)
            failed = RunResult(config_sha256=result.config_sha256, error=str(clash), exit_code=result.exit_code)
            receipt = self._receipt(attempt, failed, log)
            mine = attempt.publication.publish(receipt, (), log.path, first=False)
        claim.complete()
        if not mine:
            _log.info("skipped %r attempt=%d: another attempt was faster", attempt.job.name, attempt.number)
            return Processed(outcome=Outcome.SKIPPED)
        _log.info(
            "%s %r attempt=%d outputs=%d%s",
            receipt.status,
            attempt.job.name,
            attempt.number,
            len(receipt.outputs),
            f": {receipt.error}" if receipt.error else "",
        )
        return Processed(outcome=Outcome(receipt.status))

    def _receipt(self, attempt: _Attempt, result: RunResult, log: RunLog) -> Receipt:
        directory = attempt.publication.directory
        return Receipt(
            attempt=attempt.number,
            config_sha256=result.config_sha256,
            error=result.error,
            event_id=attempt.job.event_id,
            exit_code=result.exit_code,
            finished_at=now(),
            image=self._settings.image,
            input=attempt.version,
            log_tail=log.tail() if result.error else None,
            outputs=tuple(
                OutputFile(name=f"{directory}/{file.name}", sha256=file.sha256, size=file.size) for file in result.files
            ),
            queued_at=attempt.job.queued_at,
            release=self._settings.release,
            started_at=attempt.started_at,
            status="failed" if result.error else "succeeded",
        )

    def _find(self, name: str) -> BlobInfo:
        info = self._store.head(name)
        if info is None:
            raise BlobMissing(name)
        return info

    def _give_back(
        self, claim: Claim, job: FileJob, number: int, reason: str, *, delay: float, counted: bool
    ) -> Processed:
        _log.warning("given back %r attempt=%d again_in=%.1f: %s", job.name, number, delay, reason)
        claim.give_back(job, delay, counted=counted)
        return Processed(again_in=delay, outcome=Outcome.GIVEN_BACK)

    def _skip(self, claim: Claim, job: FileJob, reason: str) -> Processed:
        _log.info("skipped %r: %s", job.name, reason)
        claim.complete()
        return Processed(outcome=Outcome.SKIPPED)

    def _keep_log(self, path: Path) -> None:
        """Append the attempt's log to the log on the share, where a person finds it whatever becomes of the attempt."""
        if self._settings.log_file is None:
            return
        try:
            with self._settings.log_file.open("ab") as target, path.open("rb") as source:
                while data := source.read(1024 * 1024):
                    target.write(data)
        except OSError as error:
            # A full or absent share must not cost a file its results: the same log goes to run.log.
            _log.warning("the log %s cannot be written: %s", self._settings.log_file, error)


def _backoff(tries: int) -> float:
    """Return seconds to wait after so many tries: doubling, bounded, and spread so that retries do not meet."""
    ceiling = min(MAX_RETRY_SECONDS, RETRY_SECONDS * float(1 << min(tries, 10)))
    return ceiling / 2 + random.uniform(0, ceiling / 2)  # noqa: S311 -- spreading load needs no cryptography.


def _given_up(attempts: int) -> str:
    times = "once" if attempts == 1 else f"{attempts} times"
    return (
        f"The worker was lost {times} while it processed this file: it was killed, ran out of memory, "
        "or could not publish the results."
    )


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
