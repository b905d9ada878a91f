"""What happens to one message, from claim to receipt, in stages that may run in different threads.

``claim`` reads the message, ``fetch`` brings the input, ``run`` runs the application, ``publish`` makes the results
visible. Each returns what the next one takes, or, where the message has come to its end, a ``Processed``.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pipeline_app.contract import ContractError, FileJob
from pipeline_app.contract.log_lines import tell
from pipeline_app.contract.worker_events import Buried, Isolated, JobClaimed
from pipeline_app.worker.application import RunResult, collect_results, run_application
from pipeline_app.worker.attempt import Claimed, Fetched, Outcome, Processed, Ran, known
from pipeline_app.worker.claim import Claim
from pipeline_app.worker.disk import Disk
from pipeline_app.worker.ending import end
from pipeline_app.worker.fetching import fetch
from pipeline_app.worker.history import History
from pipeline_app.worker.keepers import Keepers
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.outside import OUTSIDE, Outside
from pipeline_app.worker.parting import Parting
from pipeline_app.worker.process import Interrupted
from pipeline_app.worker.scratch import require_whole
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.settling import give_back, guarded
from pipeline_app.worker.storage import BlobStore, JobQueue, Message
from pipeline_app.worker.told import Told
from pipeline_app.worker.working import WorkedOn

# After the last attempt only the receipt of the failure is left to write; if even that is refused, a person is needed.
MAX_RECEIPT_TRIES = 10
# What an application ends with that SIGTERM has ended, by itself or by its shell.
TERMINATED = (-signal.SIGTERM, 128 + signal.SIGTERM)
# The platform may send SIGTERM to every process of a container, and an application get it before its worker does.
# Sources: https://github.com/microsoft/azure-container-apps/issues/1635,
# https://github.com/microsoft/azure-container-apps/issues/1493
TOLD_SECONDS = 1.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


class JobProcessor:
    """Takes messages through their stages; safe to use from several threads."""

    def __init__(
        self,
        settings: WorkerSettings,
        store: BlobStore,
        queue: JobQueue,
        scratch: Path,
        stopping: Callable[[], bool],
        keepers: Keepers,
        outside: Outside = OUTSIDE,
        lifetime: Lifetime | None = None,
        parting: Parting | None = None,
    ) -> None:
        self._disk = Disk(scratch, settings)
        self._in_hand: set[str] = set()
        self._keepers = keepers
        self._lifetime = lifetime or Lifetime(outside=outside)
        self._lock = threading.Lock()
        self._outside = outside
        self._parting = parting or Parting()
        self._settings = settings
        self._store = store
        self._queue = queue
        self._scratch = scratch
        self._stopping = stopping

    @property
    def aside_bytes(self) -> int:
        """How much disk a job may take while another one's application runs."""
        return self._disk.aside

    def claim(self, message: Message) -> Claimed | Processed:
        """Read a claimed message and keep it claimed from now on."""
        job = None
        try:
            job = FileJob.decode(message.content)
            directory = self._settings.names.output_directory(job.name)
            history = History.of(job, message.dequeue_count)
        except ContractError as error:
            return self._bury(message, str(error), job.name if job else None)
        number = message.dequeue_count - job.given_back
        if history.attempt > self._settings.max_attempts + MAX_RECEIPT_TRIES:
            return self._bury(message, f"no receipt can be written for {job.name!r}", job.name)
        claim = Claim(self._queue, message, self._settings.claim_seconds, self._outside)
        resources = ExitStack()
        claimed = Claimed(
            claim=claim,
            directory=directory,
            history=history,
            job=job,
            number=number,
            outside=self._outside,
            resources=resources,
            unseen=message.dequeue_count == 1,
        )
        resources.enter_context(claim)

        def take() -> Claimed:
            resources.enter_context(self._parting.holding(claimed))
            resources.enter_context(self._alone(job.name))
            tell(_log, JobClaimed(attempt=number, event_id=job.event_id, name=job.name))
            return claimed

        return self._guarded(claimed, take)

    def isolate(self, claimed: Claimed) -> Claimed | Processed:
        """Say in the message that this worker begins with it and has nothing else in hand, so that its loss counts."""

        def begin() -> Claimed:
            claimed.claim.rewrite(dataclasses.replace(claimed.job, isolated=claimed.job.isolated + 1))
            tell(_log, Isolated(attempt=claimed.number, name=claimed.job.name))
            return claimed

        return self._guarded(claimed, begin)

    def fetch(self, claimed: Claimed) -> Fetched | Processed:
        """Bring the input to this machine, and see whether there is anything to do at all.

        Raises:
            DiskFull: the disk was full before; the message is given back, and no other can be processed here.
        """
        return self._guarded(claimed, lambda: self._fetch(claimed))

    def run(self, fetched: Fetched) -> Ran | Processed:
        """Run the application."""
        return self._guarded(fetched, lambda: self._run(fetched))

    def publish(self, ran: Ran) -> Processed:
        """Make the results visible, or give the message back for another attempt."""
        return self._guarded(ran, lambda: self._publish(ran))

    def release(self, claimed: Claimed, reason: str, delay: float = 0.0) -> Processed:
        """Give a message back whose application was not run, visible again after so many seconds."""
        return self._guarded(claimed, lambda: give_back(claimed, reason, delay=delay, counted=False))

    def _fetch(self, claimed: Claimed) -> Fetched | Processed:
        return fetch(claimed, self._disk, self._scratch, self._lifetime, self._settings, self._store)

    def _run(self, fetched: Fetched) -> Ran:
        began, started_at, log = self._outside.monotonic(), self._outside.now(), fetched.log
        log.line(
            f"[pipeline] {fetched.job.name!r} version {fetched.version.etag} attempt {fetched.number} "
            f"started {started_at}"
        )
        size = 0
        if fetched.refusal:
            result = RunResult(config_sha256="", error=fetched.refusal, exit_code=None)
            log.line(f"[pipeline] {fetched.refusal}")
        else:
            require_whole(fetched.scratch, fetched.input_file, fetched.version.size)
            try:
                result, size = self._apply(fetched)
            except Interrupted as cut:
                seconds = fetched.fetch_seconds + self._outside.monotonic() - began
                cut.job = self._lifetime.cut(fetched.job, seconds, whole=fetched.whole)
                raise
            if not result.confined:
                # The application of the next file could change what this one left.
                result = collect_results(
                    result, fetched.scratch, fetched.directory, self._settings.max_output_files, log
                )
        ended = self._outside.monotonic()
        if not fetched.refusal:
            self._lifetime.note(fetched.fetch_seconds + ended - began)
        return Ran(
            **known(fetched),
            ended=ended,
            ran_seconds=ended - began,
            result=result,
            size=size,
            started_at=started_at,
        )

    def _apply(self, fetched: Fetched) -> tuple[RunResult, int]:
        """Run the application; return how it ended, and the bytes that it left."""
        claim, scratch = fetched.claim, fetched.scratch
        with self._keepers.place() as place:
            place.stage.set_up(scratch)
            try:
                with self._disk.watch(place.stage.folder) as watch, claim.while_working(fetched.mark.renew):
                    result = run_application(
                        self._settings,
                        input_file=place.stage.input / fetched.input_file.name,
                        interrupted=lambda: self._stopping() or claim.lost or claim.pointless is not None,
                        log=fetched.log,
                        place=place,
                        watch=watch,
                    )
                    self._wait_for_word(result)
                return replace(result, confined=place.keeper.confines), watch.size
            except Interrupted:
                if claim.pointless is not None and not claim.lost:
                    raise claim.pointless from None
                raise
            finally:
                place.stage.strike(scratch)

    def _wait_for_word(self, result: RunResult) -> None:
        """Wait a moment for being told to stop, where an application ended as if it had been.

        Raises:
            Interrupted: the worker is to stop.
        """
        until = self._outside.monotonic() + TOLD_SECONDS
        while result.exit_code in TERMINATED and not self._stopping() and self._outside.monotonic() < until:
            self._outside.sleep(0.02)
        if self._stopping():
            raise Interrupted

    def _require_own_end(self, ran: Ran) -> None:
        """See that an application ended by itself, and did not make something of being told to; half a result is none.

        Raises:
            Interrupted: the worker was told to stop a moment later at most.
        """
        # Where none was run, nobody can have told it.
        if not ran.refusal and self._stopping() and self._told_at() - ran.ended <= TOLD_SECONDS:
            raise Interrupted

    def _told_at(self) -> float:
        """Return when the worker was told to stop, or now."""
        return self._stopping.since if isinstance(self._stopping, Told) else self._outside.monotonic()

    def _publish(self, ran: Ran) -> Processed:
        began = self._outside.monotonic()
        self._require_own_end(ran)
        publication = replace(ran.publication, last_look=lambda: self._require_own_end(ran))
        processed = end(replace(ran, publication=publication), self._scratch, self._settings, self._stopping)
        if not ran.refusal:
            self._lifetime.note(ran.fetch_seconds + ran.ran_seconds + self._outside.monotonic() - began)
        return processed

    def _guarded(self, claimed: Claimed, stage: Callable[[], T | Processed]) -> T | Processed:
        return guarded(claimed, stage, self._store.is_transient)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Keep a duplicate of a job from being taken while this worker is at the first of the two."""
        with self._lock:
            if name in self._in_hand:
                raise WorkedOn(f"This worker is at {name!r} already.")
            self._in_hand.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._in_hand.remove(name)

    def _bury(self, message: Message, reason: str, name: str | None = None) -> Processed:
        tell(_log, Buried(attempt=None, message_id=message.id, name=name, reason=reason))
        self._queue.bury(message)
        return Processed(outcome=Outcome.BURIED)
