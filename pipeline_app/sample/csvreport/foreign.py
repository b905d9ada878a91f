"""What a file is instead of a table, told by how it begins."""

from __future__ import annotations

import json
import re
from typing import Final

from .errors import UnreadableFile

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


def check_bytes(start: bytes, mark: bytes) -> None:
    """See that a file is not of another kind by its first bytes.

    Args:
        start: the beginning of the file.
        mark: the byte order mark that it begins with, or nothing.

    Raises:
        UnreadableFile: it is an archive, a document, a picture or a database, or it is empty.
    """
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
