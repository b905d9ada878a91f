"""The table of a file as UTF-8 alone: without a byte order mark and without what stands before the table.

A file that is so already is left where it is.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .dialects import Dialect, split_lines
from .encodings import Encoding
from .errors import UnreadableFile
from .scanning import CHUNK_BYTES, LINES_NAMED, Lines, Scan, refuse_zeros

SAMPLE_BYTES: Final = 1 << 18
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


def sample(path: Path, scan: Scan, encoding: Encoding) -> tuple[str, bool]:
    """Return the beginning of a file's text, and whether that is all of it."""
    with path.open("rb") as file:
        file.seek(scan.mark)
        data = file.read(SAMPLE_BYTES)
        whole = not file.read(1)
    # What the sample cuts is not given out.
    return codecs.getincrementaldecoder(encoding.codec)("replace").decode(data, final=whole), whole


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
                # The lines before the table are all in the sample, which is smaller than this piece.
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
