"""Characters of value zero, which no text has: where one is, and what it says of the file."""

from __future__ import annotations

import codecs
from typing import Final

from .errors import UnreadableFile
from .lines import Lines

_ZERO: Final = (
    "Line {line} has a {what} of value zero, which no text has: it is a binary file, or it was damaged when it was "
    "written. Export it again."
)


def refuse_zeros(text: str, lines: Lines) -> None:
    """See that a piece of text, which has not been counted yet, has no character of value zero.

    Raises:
        UnreadableFile: it has one.
    """
    if "\0" in text:
        (line,) = lines.with_sign(text, "\0", 1)
        raise UnreadableFile(_ZERO.format(line=line, what="character"))


def explain_zeros(chunk: bytes, line: int) -> str:
    """Return why a file with bytes of value zero is no text, in sentences.

    Args:
        chunk: has the first of them.
        line: which one it is on, counted from 1.
    """
    if any(_is_wide(chunk[:4096], codec) for codec in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")):
        return (
            "It is UTF-16 (or UTF-32) without a byte order mark, which could be read in two ways. Save it as UTF-8, or "
            "as UTF-16 with a mark."
        )
    return _ZERO.format(line=line, what="byte")


def _is_wide(head: bytes, codec: str) -> bool:
    """Return whether bytes that have zeros are text in an encoding of two or four bytes each.

    Then no zero is left in the text, and the bytes of line ends are line ends there too. So it is not where a file
    ends in zeros, or has them between its cells.
    """
    try:
        text = codecs.getincrementaldecoder(codec)().decode(head)
    except UnicodeDecodeError:
        return False
    if not text or "\0" in text:
        return False
    ends = sum(head.count(end) for end in (b"\n", b"\r"))
    if not ends:
        return sum(map(str.isascii, text)) > 0.5 * len(text)
    return sum(text.count(end) for end in "\n\r") > 0.5 * ends
