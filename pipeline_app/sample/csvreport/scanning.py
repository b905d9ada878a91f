"""The first look at all bytes of a file: what it is not, whether it is UTF-8, and on which lines it is not."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from .errors import UnreadableFile
from .evidence import EVIDENCE_BYTES, FITTING_BYTES, escaped_lines, fitting_lines

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

# Files that are given a name in .csv by mistake, by how they begin.
_COMPRESSED: Final = "Unpack it, and upload what is in it."
_EXPORT: Final = "Open it in the program that made it, and export it as CSV."
_SIGNATURES: Final = {
    b"\x1f\x8b": f"compressed with gzip. {_COMPRESSED}",
    b"(\xb5/\xfd": f"compressed with Zstandard. {_COMPRESSED}",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive. {_COMPRESSED}",
    b"Rar!\x1a\x07": f"a RAR archive. {_COMPRESSED}",
    b"\xfd7zXZ": f"compressed with xz. {_COMPRESSED}",
    b"%PDF-": f"a PDF document. {_EXPORT}",
    b"Obj\x01": f"an Avro file. {_EXPORT}",
    b"SQLite format 3\x00": f"an SQLite database. {_EXPORT}",
    b"\xd0\xcf\x11\xe0": "an old Office document, such as .xls. Save the sheet as CSV.",
    b"\x89PNG": "a PNG picture.",
    b"\xff\xd8\xff": "a JPEG picture.",
    b"{\\rtf1": "a document in RTF. Save it as plain text.",
}
# Letters that a table may begin with too, if nothing else follows them that the format asks for.
_BINARY: Final = {
    rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)": f"compressed with bzip2. {_COMPRESSED}",
    # The header of a data page, of which the first field is a number of 32 bits.
    rb"PAR[1E][\x00-\x1f\x80-\xff]": f"a Parquet file. {_EXPORT}",
    # Width, height and flags, of which no letters are made by chance.
    rb"GIF8[79]a(?=.{0,8}[\x00-\x08\x0e-\x1f\x80-\xff])": "a GIF picture.",
}
# A tag alone in a cell is the name of a column.
_MARKUP: Final = re.compile(
    r"\s*<(?:!doctype(?=[\s>])|!--|\?xml\b|"
    r"(?:[a-z]\w*:)?(?:html|head|title|body|table|div|p|meta|link|style|script|svg|rss|feed|urlset|workbook|kml|gpx)"
    r"(?=[\s>/]|$)(?!\s*/?>[ ]*[,;|\t\x01\x1f^~]))",
    re.IGNORECASE,
)
_JSON: Final = re.compile(r'\s*(?:\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*[\[{])')
_LFS: Final = re.compile(r"version https://git-lfs\.github\.com/spec/v\d+\s+(?:\w[^\n]*\n)*oid ")
_HINT_ALONE: Final = re.compile(r'\s*"?sep=[^\r\n]?"?\s*', re.IGNORECASE)
# Control characters that no table has. A vertical tab breaks lines within cells; an escape and the two shifts
# change ISO-2022's alphabet.
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\v\r\f\x0e\x0f\x1a\x1b\x1c\x1d\x1e\x1f\x01"))
_ZERO: Final = (
    "Line {line} has a {what} of value zero, which no text has: it is a binary file, or it was damaged when it was "
    "written. Export it again."
)


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


class Lines:
    """Counts lines over pieces of a text; a carriage return, a line feed and both together each end one."""

    def __init__(self) -> None:
        self.number = 1
        self._returned = False

    def feed(self, text: str) -> None:
        """Take the next piece."""
        if self._returned and text.startswith("\n"):
            self.number -= 1
        self.number += text.count("\n") + text.count("\r") - text.count("\r\n")
        if text:
            self._returned = text.endswith("\r")

    def number_at(self, text: str) -> int:
        """Return the number of the line on which the next piece ends, without taking it."""
        ahead = Lines()
        ahead.number, ahead._returned = self.number, self._returned
        ahead.feed(text)
        return ahead.number

    def with_sign(self, text: str, sign: str, most: int) -> list[int]:
        """Return the lines of the next piece that have a sign, at most so many, without taking the piece."""
        found: list[int] = []
        ahead = Lines()
        ahead.number, ahead._returned = self.number, self._returned
        place = 0
        while len(found) < most and (next_place := text.find(sign, place)) >= 0:
            ahead.feed(text[place:next_place])
            if found[-1:] != [ahead.number]:
                found.append(ahead.number)
            place = next_place
            ahead._returned = False
            ahead.feed(text[place : place + 1])
            place += 1
        return found


def scan(path: Path) -> Scan:
    """Look at all of a file once.

    Raises:
        UnreadableFile: it is empty, cannot be opened, or is no text.
    """
    try:
        with path.open("rb") as file:
            start = file.read(CHUNK_BYTES)
            result = Scan(size=len(start))
            _check_start(start)
            for mark, codec in MARKS.items():
                if start.startswith(mark):
                    result.codec = codec
                    result.mark = len(mark)
                    while start.startswith(mark, result.mark):
                        result.mark += len(mark)
                    break
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
            raise UnreadableFile(_zeros(chunk, lines.number))
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


def _check_start(start: bytes) -> None:
    mark = next((each for each in MARKS if start.startswith(each)), b"")
    # Blanks and line ends have bytes of zero in some encodings.
    if not start[len(mark) :].strip(b" \t\r\n\x00"):
        raise UnreadableFile("It is empty.")
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            raise UnreadableFile(f"It is {kind}")
    for pattern, kind in _BINARY.items():
        if re.match(pattern, start, re.DOTALL):
            raise UnreadableFile(f"It is {kind}")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind = "an Excel workbook. Save the sheet as CSV." if b"xl/" in start or b"[Content_Types]" in start else ""
        raise UnreadableFile(f"It is {kind or f'a zip archive. {_COMPRESSED}'}")
    if start[257:262] == b"ustar":
        raise UnreadableFile(f"It is a tar archive. {_COMPRESSED}")


def check_text(sample: str, *, whole: bool) -> None:
    """See that a text, or the beginning of one, is not of another kind.

    Raises:
        UnreadableFile: it is HTML, XML, JSON or a pointer to a file, or it is empty.
    """
    if whole and (not sample.strip() or _HINT_ALONE.fullmatch(sample)):
        raise UnreadableFile("It is empty.")
    if _LFS.match(sample):
        raise UnreadableFile(
            "It is a pointer of Git LFS in place of the file. Run 'git lfs pull', and upload the file itself."
        )
    if _MARKUP.match(sample):
        raise UnreadableFile(
            "It is an HTML or XML page, such as a sign-in page that was saved in place of the file. Download it anew."
        )
    if _JSON.match(sample) or _is_json(sample, whole=whole):
        raise UnreadableFile(f"It is JSON. {_EXPORT}")


def _is_json(sample: str, *, whole: bool) -> bool:
    """Tell whether a text is a JSON array or object, or as many elements of an array as a sample shows."""
    text = sample.strip()
    if text[:1] not in ("[", "{"):
        return False
    if not whole:
        text = text[: max(text.rfind(","), 1)] + "]"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def refuse_zeros(text: str, lines: Lines) -> None:
    """See that a piece of text, which has not been counted yet, has no character of value zero.

    Raises:
        UnreadableFile: it has one.
    """
    if "\0" in text:
        (line,) = lines.with_sign(text, "\0", 1)
        raise UnreadableFile(_ZERO.format(line=line, what="character"))


def _zeros(chunk: bytes, line: int) -> str:
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
