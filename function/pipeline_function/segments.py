"""The segments of a long listing, which are listed side by side: each from a name until where the next one begins.

A pass notes the names at which some of its pages began, and the next pass begins a segment at some of these. Whatever
names they are, and in whatever order, every input is in a segment: a segment ends where a name comes after its end in
every order that a service may have, and what stands behind the last is the last one's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

# So many pieces of a pass are about alike, whichever of them grow until the next one.
MAX_SEGMENTS: Final = 48
# Shorter ones would be begun more often than they save time.
MIN_PAGES: Final = 10


@dataclass(kw_only=True)
class Segment:
    """One segment of a pass.

    Attributes:
        start: the name where it begins; None at the very beginning.
        token: where it goes on; None at its beginning.
        done: it has come to its end.
        pages: how many pages of it were listed.
        marks: the names at which every so many of them began, ``stride`` apart; not ``start`` itself.
        stride: pages.
    """

    start: str | None = None
    token: str | None = None
    done: bool = False
    pages: int = 0
    marks: list[str] = field(default_factory=list)
    stride: int = field(default_factory=lambda: MIN_PAGES)

    def restart(self) -> None:
        """Begin anew, where the token was of no use."""
        self.marks = []
        self.pages = 0
        self.token = None

    def advance(self, first: str, token: str | None, *, ended: bool) -> None:
        """Note that a page was looked at which begins with the name ``first``, and where the next one goes on."""
        if first and self.pages and self.pages % self.stride == 0:
            self.marks.append(first)
            if len(self.marks) > MAX_SEGMENTS:
                self.marks = self.marks[1::2]
                self.stride *= 2
        self.pages += 1
        self.done = ended or token is None
        self.token = None if self.done else token


def next_segments(segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments of the next pass, of about the same length, by what this one found."""
    pages = sum(segment.pages for segment in segments)
    length = max(MIN_PAGES, math.ceil(pages / MAX_SEGMENTS))
    starts: list[str | None] = [None]
    behind = 0
    for segment in segments:
        pieces = [segment.start, *segment.marks]
        for number, name in enumerate(pieces):
            if name is not None and behind >= length:
                starts.append(name)
                behind = 0
            last = number == len(pieces) - 1
            behind += segment.pages - segment.stride * number if last else segment.stride
    # Names may be long, and all of them are written with each step.
    return [Segment(start=start, stride=max(MIN_PAGES, length // 2)) for start in starts]
