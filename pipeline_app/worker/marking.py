"""What an application printed, told from what the worker says of it, in every log that has both.

Each line of the application's begins with the mark, and no line of the worker's does: those begin with a moment, with a
bracket, or, where a record has several lines, with spaces. What a line is, is for the reader to say, who may be a
terminal, a pager or a program. So a carriage return ends a line as a line feed does, and all else that could end one,
or move what is shown to another place (escape sequences, separators, directions), is written out.
"""

from __future__ import annotations

import codecs
import io
from typing import Final

from pipeline_app.printable import printable

MARK: Final = "| "
# Before all lines but the first of a record of the worker's, so that what it quotes cannot pose as a further record.
MORE: Final = "  "

_MARK: Final = MARK.encode()
# The state of a decoder that waits for the rest of nothing.
_NOTHING_HELD: Final = (b"", 0)
_PLAIN: Final = bytes(range(0x20, 0x7F)) + b"\n\t"


class Marker:
    """Marks what comes in pieces, at whatever places it is cut."""

    def __init__(self) -> None:
        self._at_start = True
        self._reset()

    def feed(self, data: bytes) -> bytes:
        """Return a piece of the application's as marked lines, the last of which may go on with the next piece."""
        # Most of what is printed is plain, and an application that prints without end waits for whoever reads it.
        if not data.translate(None, _PLAIN) and self._decoder.getstate() == _NOTHING_HELD:
            return self._marked(data)
        return self._mark(self._decoder.decode(data))

    def end(self) -> bytes:
        """Return what is left of the last line, with its end; what comes then begins a new one."""
        rest = self._mark(self._decoder.decode(b"", final=True))
        self._reset()
        if self._at_start:
            return rest
        self._at_start = True
        return rest + b"\n"

    def _mark(self, text: str) -> bytes:
        return self._marked(printable(text).encode())

    def _marked(self, shown: bytes) -> bytes:
        if not shown:
            return b""
        begin, self._at_start = _MARK if self._at_start else b"", shown.endswith(b"\n")
        body, end = (shown[:-1], b"\n") if self._at_start else (shown, b"")
        return begin + body.replace(b"\n", b"\n" + _MARK) + end

    def _reset(self) -> None:
        # It holds a carriage return back until it is known whether a line feed follows, and half a character.
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)


def own_lines(text: str) -> str:
    """Return a text of the worker's, which may quote anything, as lines of which none can pose as another's."""
    return printable(text).replace("\n", f"\n{MORE}")


def is_application_line(line: str) -> bool:
    """Tell whether the application printed a line of a log."""
    return line.startswith(MARK)
