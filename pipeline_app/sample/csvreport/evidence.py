"""The lines of a file from which its encoding is told where its bytes alone do not say it."""

from __future__ import annotations

import re
from typing import Final

# So much of each kind is kept.
EVIDENCE_BYTES: Final = 1 << 16
FITTING_BYTES: Final = 1 << 13
# So many places of a piece are tried for lines that are UTF-8; in most files that are not, there are few.
PLACES_TRIED: Final = 200

# What announces other letters where a file is all ASCII: the escapes of ISO-2022, the braces of HZ, the plus of UTF-7.
_ESCAPES: Final = re.compile(rb"\x1b[$(]|~\{|\+(?!-)")
_SEQUENCE: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def escaped_lines(piece: bytes, room: int, *, ends: bool) -> bytes:
    """Return the lines of a piece of ASCII that may stand for other letters; not one that its end cuts.

    Args:
        piece: of the file.
        room: how many bytes are wanted; the last line may be longer.
        ends: whether the file ends with it.
    """
    if room <= 0 or not any(sign in piece for sign in (b"\x1b", b"~{", b"+")):
        return b""
    found = bytearray()
    done = 0
    for match in _ESCAPES.finditer(piece):
        if len(found) >= room:
            break
        if match.start() >= done:
            start, done = _line(piece, match.start(), done)
            if done < len(piece) or ends:
                found += piece[start:done] + b"\n"
    return bytes(found)


def fitting_lines(piece: bytes, room: int, *, begins: bool, ends: bool) -> tuple[int, bytes]:
    """Return where the first line of a piece is that is UTF-8 and not ASCII, and such lines; none that the piece cuts.

    Args:
        piece: of the file.
        room: how many bytes are wanted; the last line may be longer.
        begins: whether the file begins with it.
        ends: whether the file ends with it.
    """
    found = bytearray()
    first = done = 0
    for tried, match in enumerate(_SEQUENCE.finditer(piece)):
        if tried == PLACES_TRIED or len(found) >= room:
            break
        if match.start() < done:
            continue
        start, done = _line(piece, match.start(), done)
        if (start == 0 and not begins) or (done == len(piece) and not ends):
            continue
        try:
            piece[start:done].decode("utf-8")
        except UnicodeDecodeError:
            continue
        first = first if found else start
        found += piece[start:done] + b"\n"
    return first, bytes(found)


def _line(piece: bytes, place: int, least: int) -> tuple[int, int]:
    """Return where the line around a place begins, not before the least place, and where it ends."""
    start = max(piece.rfind(end, least, place) for end in (b"\n", b"\r")) + 1 or least
    return start, min((at for end in (b"\n", b"\r") if (at := piece.find(end, place)) >= 0), default=len(piece))
