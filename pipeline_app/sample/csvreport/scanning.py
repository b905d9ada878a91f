"""The first look at all bytes of a file: what it is not, whether it is UTF-8, and on which lines it is not."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from .errors import UnreadableFile
from .evidence import EVIDENCE_BYTES, FITTING_BYTES, escaped_lines, fitting_lines
from .foreign import check_bytes
from .lines import Lines
from .zeros import explain_zeros

CHUNK_BYTES: Final = 1 << 20
LINES_NAMED: Final = 10
# Of what is not ASCII, so much may be wrong in a file that counts as UTF-8 all the same.
WRONG_SHARE: Final = 0.25

MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}

# Control characters that no table has. A vertical tab breaks lines within cells; an escape and the two shifts
# change ISO-2022's alphabet.
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\v\r\f\x0e\x0f\x1a\x1b\x1c\x1d\x1e\x1f\x01"))


@dataclass
class Scan:
    """What all bytes of a file say.

    Attributes:
        codec: of its byte order mark, or ``utf-8`` where it is that but for some bytes; empty where it is neither.
        evidence: lines that are not ASCII, from which the encoding is told where it is not UTF-8.
        fitting: of those, some that are UTF-8 all the same, by chance or because the file is of two encodings.
        fitting_line: the first of them, counted from 1.
        escaped: of a file that is all ASCII, lines that may stand for other letters.
        mark: the length of its byte order mark in bytes; of all, where programs each put one before the other's.
        size: in bytes.
        wrong: how many bytes (or sequences of them) are not UTF-8.
        wrong_lines: the first lines that have such, counted from 1.
    """

    codec: str = ""
    evidence: bytes = b""
    fitting: bytes = b""
    fitting_line: int = 0
    escaped: bytes = b""
    mark: int = 0
    size: int = 0
    wrong: int = 0
    wrong_lines: list[int] = field(default_factory=list)


def scan(path: Path) -> Scan:
    """Look at all of a file once.

    Raises:
        UnreadableFile: it is empty, cannot be opened, or is no text.
    """
    try:
        with path.open("rb") as file:
            start = file.read(CHUNK_BYTES)
            result = Scan(size=len(start))
            mark = next((each for each in MARKS if start.startswith(each)), b"")
            check_bytes(start, mark)
            if mark:
                result.codec = MARKS[mark]
                result.mark = len(mark)
                while start.startswith(mark, result.mark):
                    result.mark += len(mark)
            if result.codec in ("", "utf-8"):
                _scan_bytes(start, file, result)
            else:
                result.size = path.stat().st_size
    except OSError as error:
        raise UnreadableFile(f"It cannot be opened: {error.strerror}.") from error
    return result


def _scan_bytes(chunk: bytes, file: BinaryIO, result: Scan) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    lines = Lines()
    other = 0
    result.size = 0
    controls = 0
    while chunk:
        result.size += len(chunk)
        if 0 in chunk:
            text = chunk[: chunk.index(0)].decode("latin-1")
            lines.feed(text)
            raise UnreadableFile(explain_zeros(chunk, lines.number))
        controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
        if chunk.isascii() and not decoder.getstate()[0]:
            lines.feed(chunk.decode("ascii"))
            if not other and not result.codec:
                room = EVIDENCE_BYTES - len(result.escaped)
                result.escaped += escaped_lines(chunk, room, ends=len(chunk) < CHUNK_BYTES)
        else:
            ascii_free = chunk.translate(None, bytes(range(128)))
            other += len(ascii_free)
            if len(result.evidence) < EVIDENCE_BYTES:
                found = [line for line in chunk.splitlines(keepends=True) if not line.isascii()]
                result.evidence += b"".join(found)[: EVIDENCE_BYTES - len(result.evidence)]
            place, fitting = fitting_lines(
                chunk,
                FITTING_BYTES - len(result.fitting),
                begins=result.size == len(chunk),
                ends=len(chunk) < CHUNK_BYTES,
            )
            if fitting and not result.fitting:
                result.fitting_line = lines.number_at(chunk[:place].decode("latin-1"))
            result.fitting += fitting
            # A replacement character that the file has itself is not wrong.
            own = (decoder.getstate()[0] + chunk).count(b"\xef\xbf\xbd")
            text = decoder.decode(chunk)
            _note_wrong(text, text.count("\ufffd") - own, lines, result)
            lines.feed(text)
        chunk = file.read(CHUNK_BYTES)
    text = decoder.decode(b"", final=True)
    _note_wrong(text, len(text), lines, result)
    if controls > 0.01 * result.size:
        raise UnreadableFile(
            "It is not text: it is full of control characters. Upload the table as a text file with commas, semicolons "
            "or tabs between its cells."
        )
    if result.wrong and not result.codec and result.wrong > WRONG_SHARE * other:
        # The lines stay: where the file is of two encodings, they are those of the other one.
        result.wrong = 0
    else:
        result.codec = "utf-8"
    if other:
        result.escaped = b""


def _note_wrong(text: str, wrong: int, lines: Lines, result: Scan) -> None:
    if wrong > 0:
        result.wrong += wrong
        more = LINES_NAMED + 1 - len(result.wrong_lines)
        if more > 0:
            result.wrong_lines += lines.with_sign(text, "\ufffd", more)
