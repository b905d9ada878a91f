"""What a zip may hold: plain files below the folder, with names that are distinct on any disk, within the bounds."""

from __future__ import annotations

import stat
import unicodedata
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

from infra.packages.zip_names import entry_name

# Files and folders together, whether a folder has an entry of its own or is only named by its files.
MAX_ENTRIES: Final = 100_000

_READ: Final = (zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_STORED)
# Source: .ZIP File Format Specification, 4.4.5
_METHODS: Final = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES"}


class ArchiveError(ValueError):
    """An archive that cannot be trusted or read; the text names the archive, the entry and the reason."""


def checked_entries(
    archive: Path, source: zipfile.ZipFile, max_bytes: int
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Return the files of an archive with the paths that they may have below any folder.

    Args:
        archive: the path, for the errors.
        source: the same archive, open.
        max_bytes: how many bytes its files may claim to have together.

    Raises:
        ArchiveError: an entry would leave the folder, is a link, a device, encrypted or compressed in a way that is not
            read here, comes twice, or is too much; or there is no file.
    """
    entries = source.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ArchiveError(f"{archive} has {len(entries)} entries; at most {MAX_ENTRIES} are unpacked.")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise ArchiveError(too_much(archive, max_bytes))
    checked = []
    for entry in entries:
        # Tools of Windows write backslashes, against the format. Source: .ZIP File Format Specification, 4.4.17.1
        try:
            shown = entry_name(entry)
        except ValueError as error:
            raise ArchiveError(f"{archive} has {error}.") from error
        path = shown.replace("\\", "/")
        name = PurePosixPath(path)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or any(mark in path for mark in ("\0", ":")):
            raise ArchiveError(f"{archive} has the entry {shown!r}, which could leave its folder.")
        if kind not in (0, stat.S_IFDIR, stat.S_IFREG):
            raise ArchiveError(f"{archive} has the entry {shown!r}, which is a link or a device, not a file.")
        if entry.flag_bits & 0x1:
            raise ArchiveError(f"{archive} has the entry {shown!r}, which is encrypted. Zip it without.")
        if path.endswith("/"):
            continue
        if entry.compress_type not in _READ:
            method = _METHODS.get(entry.compress_type, f"method {entry.compress_type}")
            raise ArchiveError(
                f"{archive} has the entry {shown!r}, compressed with {method}, which is not read here. Zip it "
                "with Deflate: 'zip -r application.zip .' or 'python -m zipfile -c application.zip *' in its folder, "
                "or 7-Zip with '-mm=Deflate'. Windows Explorer takes Deflate64 for large files."
            )
        if not name.parts:
            raise ArchiveError(f"{archive} has the entry {shown!r}, which names no file.")
        checked.append((entry, name))
    if not checked:
        raise ArchiveError(f"{archive} holds no file. Zip the application's files.")
    require_distinct(archive, [name for _, name in checked])
    return checked


def require_distinct(where: Path, names: list[PurePosixPath]) -> None:
    """See that the files have names that are distinct on any disk, and are in a bounded number of folders.

    Disks of other systems make no difference between upper and lower case or between two ways to write an accent; the
    image, and the hash of what is in it, must not depend on where the archive was unpacked.

    Raises:
        ArchiveError: two are one, or they are too many; ``where`` is named in it.
    """
    folders: set[str] = set()
    seen: dict[str, PurePosixPath] = {}
    for name in names:
        plain = _plain(str(name))
        if plain in seen:
            if seen[plain] == name:
                raise ArchiveError(f"{where} has the entry {str(name)!r} twice.")
            raise ArchiveError(
                f"{where} has the entries {str(seen[plain])!r} and {str(name)!r}, which are one file on some disks. "
                "Rename one of them."
            )
        seen[plain] = name
        # A name of 4,000 characters can make 2,000 folders.
        while (plain := plain.rpartition("/")[0]) and plain not in folders:
            folders.add(plain)
        if len(seen) + len(folders) > MAX_ENTRIES:
            raise ArchiveError(f"{where} has more than {MAX_ENTRIES} files and folders, which is the bound.")
    if clash := folders & seen.keys():
        raise ArchiveError(f"{where} has {str(seen[min(clash)])!r} as a file and as a folder. Rename one of them.")


def too_much(archive: Path, max_bytes: int) -> str:
    """Return the sentence on an archive whose files have more bytes together than they may."""
    return f"{archive} unpacks to more than {max_bytes} bytes, which is the bound against archives that flood a disk."


def _plain(name: str) -> str:
    """Return a name as the least particular disk compares it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
