"""The named steps of the work on one file, at each of which a worker must have been killed."""

from __future__ import annotations

from typing import Final

from tests.chaos.proxy import Exchange, Harm

AFTER_CLAIM: Final = "after the claim"
BEFORE_DELETE: Final = "before the delete"
BEFORE_RECEIPT: Final = "before the receipt"
BEFORE_UPLOAD: Final = "between export and upload"
BETWEEN_UPLOADS: Final = "between uploads"
IN_APPLICATION: Final = "mid-application"
IN_DOWNLOAD: Final = "mid-download"

# In the order of the work.
STEPS: Final = (
    AFTER_CLAIM,
    IN_DOWNLOAD,
    IN_APPLICATION,
    BEFORE_UPLOAD,
    BETWEEN_UPLOADS,
    BEFORE_RECEIPT,
    BEFORE_DELETE,
)


class Course:
    """Follows one worker's requests and tells which of the steps a kill hit; None where it hit none for certain.

    A kill within an application is not seen here: the application itself tells of it.
    """

    def __init__(self) -> None:
        self._results = 0

    def step(self, exchange: Exchange) -> str | None:
        """Take note of a request; say at which step its sender is killed with it."""
        step, harm = exchange.request.step, exchange.harm
        if step == "claim":
            self._results = 0
            return AFTER_CLAIM if harm is Harm.KILL_AFTER and b"<PopReceipt>" in exchange.answer else None
        if step == "download":
            return IN_DOWNLOAD if harm is Harm.KILL_MIDWAY else None
        if step == "write the result":
            hit = BETWEEN_UPLOADS if self._results else BEFORE_UPLOAD
            self._results += exchange.status is not None
            return hit if harm is Harm.KILL_BEFORE else None
        if step == "write the receipt" and exchange.headers.get("x-ms-meta-status") == "succeeded":
            return {Harm.KILL_AFTER: BEFORE_DELETE, Harm.KILL_BEFORE: BEFORE_RECEIPT}.get(harm)
        return BEFORE_DELETE if step == "delete the message" and harm is Harm.KILL_BEFORE else None
