"""From a file to rows: which encoding, which delimiter, and what is no CSV file at all.

The file is read as a stream. No line, however long, is taken into memory beyond a bound.
"""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

CHUNK_BYTES: Final = 1 << 20
DELIMITERS: Final = (",", ";", "\t", "|")
MAX_COLUMNS: Final = 2_000
MAX_LINE: Final = 4 << 20
SAMPLE_CHARACTERS: Final = 1 << 16
SAMPLE_ROWS: Final = 200

# Files that people mistake for CSV, by how they begin.
_SIGNATURES: Final = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip file or spreadsheet; save the sheet as CSV",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"\x89PNG": "a PNG picture",
    b"\xd0\xcf\x11\xe0": "an old Office document; save the sheet as CSV",
    b"\xff\xd8\xff": "a JPEG picture",
}


class UnreadableFile(Exception):
    """The file is no CSV file that can be read; the text says why in a sentence."""


@dataclass(frozen=True)
class Format:
    """How a file is written: encoding, delimiter, and whether its first line is a ``sep=`` hint."""

    encoding: str
    delimiter: str
    hint: bool


def detect(path: Path) -> Format:
    """Find out how a file is written; reads all of it once to know its encoding.

    Raises:
        UnreadableFile: it is empty, not text, or cannot be opened.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        sample = file.read(SAMPLE_CHARACTERS)
    if not sample.strip():
        raise UnreadableFile("It is empty.")
    first = sample.splitlines()[0].strip().strip('"').lower()
    if first.startswith("sep=") and len(first) <= 5:
        return Format(encoding, first[4:] or "\t", hint=True)
    # The last line of a sample may be cut.
    whole = sample if len(sample) < SAMPLE_CHARACTERS else sample.rpartition("\n")[0] or sample
    return Format(encoding, _delimiter(whole), hint=False)


def _encoding(path: Path) -> str:
    utf8 = codecs.getincrementaldecoder("utf-8")()
    is_utf8, has_windows_marks = True, False
    start = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                if not start:
                    start = chunk[:8]
                    if start.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
                        return "utf-16"
                    for signature, kind in _SIGNATURES.items():
                        if start.startswith(signature):
                            raise UnreadableFile(f"It is {kind}.")
                if b"\0" in chunk:
                    raise UnreadableFile("It is not a text file: it has bytes of value zero.")
                has_windows_marks = has_windows_marks or any(0x80 <= byte <= 0x9F for byte in set(chunk))
                is_utf8 = is_utf8 and _decodes(utf8, chunk)
    except OSError as error:
        raise UnreadableFile(f"It cannot be opened: {error.strerror}.") from error
    if is_utf8 and _decodes(utf8, b"", last=True):
        return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"
    # Latin-1 has control characters where Windows has signs such as the euro and dashes.
    return "cp1252" if has_windows_marks else "latin-1"


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, last: bool = False) -> bool:
    try:
        decoder.decode(chunk, last)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(sample: str) -> str:
    """Return the delimiter by which most rows get the same number of cells, the larger number first."""
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths: Counter[int] = Counter()
        try:
            for row in csv.reader(sample.splitlines(), delimiter=delimiter, skipinitialspace=True):
                if any(cell.strip() for cell in row):
                    widths[len(row)] += 1
                if widths.total() == SAMPLE_ROWS:
                    break
        except csv.Error:
            continue
        if not widths:
            continue
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
        score = (round(rows / widths.total(), 1), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


class Rows:
    """The rows of a file, each a list of cells without blanks around them; iterate as often as needed.

    After an iteration ``empty`` is the number of rows that had no cell with content, which are left out.
    """

    def __init__(self, path: Path, form: Format) -> None:
        self.empty = 0
        self._form = form
        self._path = path

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the rows, the header first.

        Raises:
            UnreadableFile: a row cannot be split into cells.
        """
        self.empty = 0
        csv.field_size_limit(MAX_LINE)
        with self._path.open(encoding=self._form.encoding, errors="replace", newline="") as file:
            lines = _lines(file)
            if self._form.hint:
                next(lines)
            reader = csv.reader(lines, delimiter=self._form.delimiter, skipinitialspace=True)
            try:
                for row in reader:
                    cells = [cell.strip() for cell in row]
                    while cells and not cells[-1] and len(cells) > MAX_COLUMNS:
                        cells.pop()
                    if len(cells) > MAX_COLUMNS:
                        raise UnreadableFile(f"Line {reader.line_num} has more than {MAX_COLUMNS} columns.")
                    if any(cells):
                        yield cells
                    else:
                        self.empty += 1
            except csv.Error as error:
                raise UnreadableFile(
                    f"Line {reader.line_num} cannot be split into cells ({error}); is a quote not closed?"
                ) from error


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            raise UnreadableFile(f"It has a line of more than {MAX_LINE:,} characters.")
        yield line
