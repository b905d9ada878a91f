"""What the names of a zip's entries are, whichever tool wrote them, and what a file is that only bears a zip's name."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

# Sources: .ZIP File Format Specification, 4.4.4 (bit 11) and 4.6.9 (Info-ZIP Unicode Path)
_IS_UTF8: Final = 0x800
_UNICODE_PATH: Final = 0x7075
_REPACK: Final = "Unpack it and zip what is in it."
# How files of other formats begin, with the place of that, and what to do about them.
_OTHERS: Final = (
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _REPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _REPACK),
    (0, b"\x1f\x8b", "compressed by gzip, as a .tar.gz is", _REPACK),
    (0, b"BZh", "compressed by bzip2, as a .tar.bz2 is", _REPACK),
    (0, b"\xfd7zXZ\0", "compressed by xz, as a .tar.xz is", _REPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed by Zstandard", _REPACK),
    (257, b"ustar", "a tar archive", _REPACK),
    (0, b"<", "a page in HTML or XML", "A server sends one that wants a sign-in or has no such file; fetch it again."),
    (0, b"version https://git-lfs", "what Git LFS left in place of a file", "Bring it with 'git lfs pull'."),
)
_OTHER_BYTES: Final = 512


def entry_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry as whoever zipped it saw it, the same on every Python.

    Many tools write UTF-8 and do not say so. Older ones of Windows write the code page of their machine, which the
    archive does not name.

    Raises:
        ValueError: the name is in a code page that nobody can know; the text says so, without the archive's name.
    """
    if entry.flag_bits & _IS_UTF8 or entry.orig_filename.isascii():
        return entry.orig_filename
    # Without the flag the library takes every byte for one character of this code page, so this gives them back.
    raw = entry.orig_filename.encode("cp437")
    if (name := _unicode_path(entry.extra, raw)) is not None:
        return name
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            f"the entry {raw!r}, whose name is in the code page of some machine. Zip it with names in UTF-8: "
            "'zip -r application.zip .' or 'python -m zipfile -c application.zip *' in its folder, or 7-Zip with '-mcu'"
        ) from None


def other_format(path: Path) -> str | None:
    """Return what a file is instead of a zip and what to do, in sentences, where its first bytes tell, or None."""
    with path.open("rb") as file:
        start = file.read(_OTHER_BYTES)
    for place, mark, kind, fix in _OTHERS:
        if start[place:].startswith(mark):
            return f"{kind}, not a zip. {fix}"
    return None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name from its extra field, unless that is of another name or damaged."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(data) > 5 and data[0] == 1:
            if struct.unpack_from("<I", data, 1)[0] != zlib.crc32(raw):
                return None
            try:
                return data[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None
