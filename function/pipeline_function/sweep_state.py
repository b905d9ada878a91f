"""What the sweep remembers from one run to the next, so that each run costs little however many inputs there are.

It saves work and decides nothing: without it, or with an old one, a sweep looks at inputs again that it need not
have looked at, and at worst queues a job twice, which the worker drops.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline_app.contract.log_lines import Log, tell
from pipeline_function.segments import Segment, next_segments
from pipeline_function.services import InputBlob

LOGGER = logging.getLogger(__name__)

# So many inputs without a receipt are remembered one by one, 40 bytes each; beyond, they are looked at in every pass.
MAX_OPEN: Final = 2000
# So many of them are looked at again by the next run, for which their names are remembered.
MAX_DOUBTED: Final = 100
VERSION: Final = 2
# Of an earlier release, whose passes had one segment.
VERSION_OF_TOKENS: Final = 1
# Listing costs so much that passes are no denser than this on average, however many inputs there are: 18 pages a second
# are $0.000117 at the price of tests/bench/prices.py, or $308 a month. With fewer than 5 million inputs a pass ends
# before it has cost a minute of that, so nothing waits for it.
PAGES_PER_SECOND: Final = 18


@dataclass(kw_only=True)
class SweepState:
    """One pass over all inputs, which may take several runs, and what the pass before it left.

    Attributes:
        started: when this pass began, by the service's clock.
        calm: how many passes in a row found nothing to do and nothing to look at again.
        doubted: inputs without a receipt that a worker may just have taken, for the next run to look at again.
        ended: when the pass ended; None while it is under way.
        horizon: inputs of this pass that changed before this had no message waiting for its turn.
        open: fingerprints of the inputs that this pass found without a receipt; true if a job was queued for it.
        known: the same of the pass before.
        previous: when the pass before began.
        segments: those of the listing, in its order; none where nothing was listed, which is an end, too.
        settled: inputs that changed until this have their receipt, but for the known ones.
        unsettled: this pass found something to do or to look at again.
        unlisted: the oldest change among the inputs without a receipt for which ``open`` had no room.
    """

    started: datetime
    horizon: datetime
    calm: int = 0
    doubted: list[InputBlob] = field(default_factory=list)
    ended: datetime | None = None
    known: dict[str, bool] = field(default_factory=dict)
    open: dict[str, bool] = field(default_factory=dict)
    previous: datetime | None = None
    segments: list[Segment] = field(default_factory=list)
    settled: datetime | None = None
    unlisted: datetime | None = None
    unsettled: bool = False

    @property
    def over(self) -> bool:
        """Whether the pass has come to the end of the listing."""
        return all(segment.done for segment in self.segments)

    def note(self, blob: InputBlob, *, queued: bool) -> None:
        """Remember an input that has no receipt."""
        if len(self.open) < MAX_OPEN:
            self.open[blob.fingerprint] = queued
        else:
            self.unlisted = min(self.unlisted or blob.modified, blob.modified)

    def doubt(self, blob: InputBlob) -> None:
        """Have an input looked at again by the next run, if there is room for it."""
        if len(self.doubted) < MAX_DOUBTED:
            self.doubted.append(blob)

    def end(self, moment: datetime) -> None:
        """Note that the pass has come to the end of the listing."""
        self.calm = 0 if self.unsettled else self.calm + 1
        self.ended = moment

    def end_of(self, segment: Segment) -> str | None:
        """Return the name where a segment ends, since the next one begins there; None for the last."""
        number = next(number for number, each in enumerate(self.segments) if each is segment)
        return self.segments[number + 1].start if number + 1 < len(self.segments) else None

    def has(self, segment: Segment) -> bool:
        """Tell whether a segment is one of the pass, and was not given up."""
        return any(segment is each for each in self.segments)

    def list_alone(self) -> list[Segment]:
        """Let the first segment have all the names, where the service cannot begin a listing at one of them.

        Returns:
            The first segment where it had come to its end, so that it begins anew; nothing else.
        """
        first = self.segments[0]
        del self.segments[1:]
        if not first.done:
            return []
        first.done = False
        first.restart()
        return [first]

    def is_costly(self, moment: datetime) -> bool:
        """Tell whether it is too early for the next pass, for what it costs."""
        pages = sum(segment.pages for segment in self.segments)
        return moment < self.started + timedelta(seconds=pages // PAGES_PER_SECOND)

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
            segments=next_segments(self.segments) if self.segments else [Segment()],
            settled=settled,
            started=moment,
        )

    def encode(self) -> str:
        """Return the state as JSON."""
        moments = ("ended", "horizon", "previous", "settled", "started", "unlisted")
        record: dict[str, Any] = {name: getattr(self, name) and getattr(self, name).isoformat() for name in moments}
        record |= {name: getattr(self, name) for name in ("calm", "known", "open", "unsettled")}
        record["doubted"] = [asdict(blob) | {"modified": blob.modified.isoformat()} for blob in self.doubted]
        record["segments"] = [asdict(segment) for segment in self.segments]
        return json.dumps(record | {"version": VERSION}, sort_keys=True)

    @classmethod
    def decode(cls, text: str | None) -> SweepState | None:
        """Read a state; None where there is none or it cannot be read, which a new pass over everything mends."""
        if text is None:
            return None
        try:
            record = json.loads(text)
            if record["version"] not in (VERSION, VERSION_OF_TOKENS):
                raise ValueError(f"its version is {record['version']!r}, not {VERSION}")
            return cls(
                # An earlier release had no pauses, so its state has none of these.
                calm=int(record.get("calm", 0)),
                doubted=[_blob(each) for each in record.get("doubted", [])],
                ended=_moment(record["ended"]) if record.get("ended") else None,
                unsettled=bool(record.get("unsettled")),
                horizon=_moment(record["horizon"]),
                known=_flags(record["known"]),
                open=_flags(record["open"]),
                previous=record["previous"] and _moment(record["previous"]),
                segments=_segments(record),
                settled=record["settled"] and _moment(record["settled"]),
                started=_moment(record["started"]),
                unlisted=record["unlisted"] and _moment(record["unlisted"]),
            )
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            said = f"The state of the last sweep cannot be read, so all inputs are looked at: {error}."
            tell(LOGGER, Log(text=said), logging.WARNING)
            return None


def _blob(record: dict[str, Any]) -> InputBlob:
    return InputBlob(
        etag=str(record["etag"]),
        modified=_moment(record["modified"]),
        name=str(record["name"]),
        size=int(record["size"]),
    )


def _flags(record: dict[str, Any]) -> dict[str, bool]:
    return {str(name): bool(value) for name, value in record.items()}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the moment {text!r} has no time zone")
    return moment


def _segments(record: dict[str, Any]) -> list[Segment]:
    if record["version"] == VERSION_OF_TOKENS:
        return [] if record["token"] is None else [Segment(token=str(record["token"]))]
    return [
        Segment(
            start=None if each["start"] is None else str(each["start"]),
            token=None if each["token"] is None else str(each["token"]),
            done=bool(each["done"]),
            pages=int(each["pages"]),
            marks=[str(mark) for mark in each["marks"]],
            stride=max(1, int(each["stride"])),
        )
        for each in record["segments"]
    ]
