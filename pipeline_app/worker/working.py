"""The mark of an attempt that takes long: it keeps others from doing the same work at the same time.

A mark is only advice. What keeps the results of two attempts apart is in ``commit``; a mark that is late, or left
by a worker that was killed, costs time and nothing else. It is the state of ``run.log`` until that is written.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pipeline_app.contract import (
    LOG_SECONDS_METADATA,
    LOG_STATE_METADATA,
    LOG_WORKING,
    RECEIPT_ETAG_METADATA,
)
from pipeline_app.worker.publication import COMMITTED, Publication, lacks_receipt
from pipeline_app.worker.storage import BlobInfo, Conflict

_log = logging.getLogger(__name__)


class WorkedOn(Exception):
    """Another attempt, for another message, is at this version of the input or has just done it."""


@dataclass(kw_only=True)
class WorkingMark:
    """The mark of one attempt, believed for ``claim_seconds`` after each renewal; ``written`` once it was made."""

    claim_seconds: int
    message_id: str
    publication: Publication
    started_at: str
    written: bool = False

    def respect(self, log: BlobInfo | None) -> None:
        """Look at the state of the log for the mark of another attempt.

        Raises:
            WorkedOn: there is one, and it is to be believed.
        """
        if log is None or log.metadata.get(LOG_STATE_METADATA) != LOG_WORKING:
            return
        if log.metadata.get(RECEIPT_ETAG_METADATA) != self.publication.input_etag:
            return
        # What this very message left at an earlier claim is over, or the message would not have come again.
        believed = log.age_seconds < float(log.metadata.get(LOG_SECONDS_METADATA, "0"))
        if believed and log.metadata.get("message") != self.message_id:
            raise WorkedOn(f"Another worker is at {self.publication.input_name!r}.")

    def renew(self) -> None:
        """Say that the attempt is still under way, unless somebody else's state of the log says more than that.

        Raises:
            InputChanged: the input was overwritten or deleted, so that its newest version is to be processed instead.
            WorkedOn: another attempt is at it, or has done it.
        """
        publication = self.publication
        log, receipt = publication.look()
        # The input is looked at after the log: had a newer version been committed before, it would show here, and if it
        # is committed after, the condition below fails.
        publication.require_input()
        if publication.is_done(receipt):
            raise WorkedOn(f"Another worker has done {publication.input_name!r}.")
        self.respect(log)
        state = log.metadata.get(LOG_STATE_METADATA) if log else LOG_WORKING
        # A log that is committed and has its receipt is of an older version. One that lacks it is not to be touched,
        # and neither is the claim of an attempt that publishes.
        if state != LOG_WORKING and (state != COMMITTED or lacks_receipt(log, receipt)):
            return
        try:
            publication.store.put_bytes(
                publication.log_name,
                f"The application has been at work since {self.started_at}.\n".encode(),
                expected=log.etag if log else None,
                metadata={
                    "attempt": publication.id,
                    "message": self.message_id,
                    "owner": publication.owner,
                    RECEIPT_ETAG_METADATA: publication.input_etag,
                    LOG_SECONDS_METADATA: str(self.claim_seconds),
                    LOG_STATE_METADATA: LOG_WORKING,
                },
            )
        except Conflict:
            _log.info("the log of %r changed while it was marked", publication.input_name)
            return
        self.written = True
