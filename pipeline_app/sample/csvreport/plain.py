"""The table of a file as UTF-8 alone: without a byte order mark and without what stands before the table.

A file that is so already is left where it is.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .dialects import LEAST_ROWS, LONGEST_CELL, Dialect, decide, split_lines
from .encodings import Encoding
from .errors import UnreadableFile
from .foreign import check_text
from .lines import Lines
from .scanning import CHUNK_BYTES, LINES_NAMED, Scan
from .zeros import refuse_zeros

SAMPLE_BYTES: Final = 1 << 18
# As large as the longest cell may be.
LARGEST_SAMPLE_BYTES: Final = LONGEST_CELL
# Of what is not ASCII in another encoding than UTF-8, so much may be wrong.
WRONG_SHARE: Final = 0.01


@dataclass
class Plain:
    """The text of the table.

    Attributes:
        offset: how many bytes of the file come before the table.
        path: where it is.
        wrong: how many characters could not be read and stand as U+FFFD.
        wrong_lines: the first lines that have such, counted from 1 in the file as it came.
    """

    offset: int
    path: Path
    wrong: int = 0
    wrong_lines: list[int] = field(default_factory=list)


def sample(path: Path, scan: Scan, encoding: Encoding, size: int = SAMPLE_BYTES) -> tuple[str, bool]:
    """Return the beginning of a file's text, of a size in bytes, and whether that is all of it."""
    with path.open("rb") as file:
        file.seek(scan.mark)
        data = file.read(size)
        whole = not file.read(1)
    # What the sample cuts is not given out.
    return codecs.getincrementaldecoder(encoding.codec)("replace").decode(data, final=whole), whole


def dialect_of(path: Path, scan: Scan, encoding: Encoding) -> Dialect:
    """Return the dialect of a file, decided on a sample that is large enough for its header and some rows.

    Raises:
        UnreadableFile: it is no table.
    """
    size = SAMPLE_BYTES
    while True:
        text, whole = sample(path, scan, encoding, size)
        if size == SAMPLE_BYTES:
            check_text(text, whole=whole)
        dialect = decide(text, whole=whole)
        if whole or dialect.seen >= LEAST_ROWS or size >= LARGEST_SAMPLE_BYTES:
            return dialect
        size *= 4


def plain_text(path: Path, scan: Scan, encoding: Encoding, dialect: Dialect, folder: Path) -> Plain:
    """Return the table's text, copied into a folder where the file itself will not do.

    Raises:
        UnreadableFile: the encoding does not hold for all of the file, or a character of value zero is in it.
    """
    if encoding.codec == "utf-8" and not scan.wrong and not dialect.skipped:
        return Plain(offset=scan.mark, path=path)
    result = Plain(offset=0, path=folder / "table.csv")
    utf8 = encoding.codec == "utf-8"
    if utf8:
        result.wrong, result.wrong_lines = scan.wrong, scan.wrong_lines
    decoder = codecs.getincrementaldecoder(encoding.codec)("replace")
    lines, other = Lines(), 0
    skip, held = dialect.skipped, ""
    with path.open("rb") as source, result.path.open("w", encoding="utf-8", newline="") as target:
        source.seek(scan.mark)
        while True:
            data = source.read(CHUNK_BYTES)
            text = decoder.decode(data, final=not data)
            if not utf8:
                refuse_zeros(text, lines)
                other += len(text) if not text.isascii() else 0
                if wrong := text.count("\ufffd"):
                    result.wrong += wrong
                    more = LINES_NAMED + 1 - len(result.wrong_lines)
                    result.wrong_lines += lines.with_sign(text, "\ufffd", more) if more > 0 else []
                lines.feed(text)
            if skip:
                # The lines before the table may be longer than this piece.
                parts = split_lines(held + text)
                held = "" if len(parts) > skip or not data else held + text
                text = "".join(parts[skip:]) if not held else ""
                skip = skip if held else 0
            target.write(text)
            if not data:
                break
    if not utf8 and result.wrong > WRONG_SHARE * max(other, 1):
        raise UnreadableFile(
            f"Line {result.wrong_lines[0]} is not {encoding.name}, which the rest seems to be. Save the file as UTF-8."
        )
    return result
