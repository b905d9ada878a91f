"""What the sweep remembers from one run to the next, so that each run costs little however many inputs there are.

It saves work and decides nothing: without it, or with an old one, a sweep looks at inputs again that it need not
have looked at, and at worst queues a job twice, which the worker drops.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline_app.contract.log_lines import Log, tell
from pipeline_function.services import InputBlob

LOGGER = logging.getLogger(__name__)

# So many inputs without a receipt are remembered one by one, 40 bytes each; beyond, they are looked at in every pass.
MAX_OPEN: Final = 2000
VERSION: Final = 1


@dataclass(kw_only=True)
class SweepState:
    """One pass over all inputs, which may take several runs, and what the pass before it left.

    Attributes:
        started: when this pass began, by the service's clock.
        calm: how many passes in a row found nothing to do and nothing to look at again.
        ended: when the pass ended; None while it is under way.
        horizon: inputs of this pass that changed before this had no message waiting for its turn.
        open: fingerprints of the inputs that this pass found without a receipt; true if a job was queued for it.
        known: the same of the pass before.
        previous: when the pass before began.
        settled: inputs that changed until this have their receipt, but for the known ones.
        token: where in the listing this pass goes on; None at its beginning and after its end.
        unsettled: this pass found something to do or to look at again.
        unlisted: the oldest change among the inputs without a receipt for which ``open`` had no room.
    """

    started: datetime
    horizon: datetime
    calm: int = 0
    ended: datetime | None = None
    known: dict[str, bool] = field(default_factory=dict)
    open: dict[str, bool] = field(default_factory=dict)
    previous: datetime | None = None
    settled: datetime | None = None
    token: str | None = None
    unlisted: datetime | None = None
    unsettled: bool = False

    def note(self, blob: InputBlob, *, queued: bool) -> None:
        """Remember an input that has no receipt."""
        if len(self.open) < MAX_OPEN:
            self.open[fingerprint(blob)] = queued
        else:
            self.unlisted = min(self.unlisted or blob.modified, blob.modified)

    def end(self, moment: datetime) -> None:
        """Note that the pass has come to the end of the listing."""
        self.calm = 0 if self.unsettled else self.calm + 1
        self.ended = moment
        self.token = None

    def pauses(self, grace: timedelta, longest: timedelta, moment: datetime) -> bool:
        """Tell whether it is too early for the next pass, where nothing waits.

        After the first pass that found all settled, the pause is as long as an input is left to its event, and it
        doubles with each that finds the same.
        """
        if self.ended is None or not self.calm:
            return False
        pause: timedelta = min(longest, grace * (1 << min(self.calm - 1, 20)))
        return moment < self.ended + pause

    def next_pass(self, grace: timedelta, moment: datetime) -> SweepState:
        """Return the state with which the pass after this one begins at ``moment``."""
        settled = min(self.started, self.horizon) - grace
        if self.unlisted is not None:
            # The service tells the time of a change in whole seconds.
            settled = min(settled, self.unlisted - timedelta(seconds=1))
        return SweepState(
            calm=self.calm,
            horizon=moment,
            known=self.open,
            previous=self.started,
            settled=settled,
            started=moment,
        )

    def encode(self) -> str:
        """Return the state as JSON."""
        moments = ("ended", "horizon", "previous", "settled", "started", "unlisted")
        record: dict[str, Any] = {name: getattr(self, name) and getattr(self, name).isoformat() for name in moments}
        record |= {name: getattr(self, name) for name in ("calm", "known", "open", "token", "unsettled")}
        return json.dumps(record | {"version": VERSION}, sort_keys=True)

    @classmethod
    def decode(cls, text: str | None) -> SweepState | None:
        """Read a state; None where there is none or it cannot be read, which a new pass over everything mends."""
        if text is None:
            return None
        try:
            record = json.loads(text)
            if record["version"] != VERSION:
                raise ValueError(f"its version is {record['version']!r}, not {VERSION}")
            return cls(
                # An earlier release had no pauses, so its state has none of these.
                calm=int(record.get("calm", 0)),
                ended=_moment(record["ended"]) if record.get("ended") else None,
                unsettled=bool(record.get("unsettled")),
                horizon=_moment(record["horizon"]),
                known=_flags(record["known"]),
                open=_flags(record["open"]),
                previous=record["previous"] and _moment(record["previous"]),
                settled=record["settled"] and _moment(record["settled"]),
                started=_moment(record["started"]),
                token=None if record["token"] is None else str(record["token"]),
                unlisted=record["unlisted"] and _moment(record["unlisted"]),
            )
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            said = f"The state of the last sweep cannot be read, so all inputs are looked at: {error}."
            tell(LOGGER, Log(text=said), logging.WARNING)
            return None


def fingerprint(blob: InputBlob) -> str:
    """Return 16 hex characters for one version of one input; a clash only delays the repair of one of the two."""
    # An ETag has no line break, so no two pairs give the same text.
    return hashlib.blake2b(f"{blob.etag}\n{blob.name}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _flags(record: dict[str, Any]) -> dict[str, bool]:
    return {str(name): bool(value) for name, value in record.items()}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the moment {text!r} has no time zone")
    return moment
