"""Zip files made and unpacked with care: the same bytes from the same content, and nothing but files inside."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from infra.packages.archive_entries import ArchiveError, checked_entries, require_distinct, too_much
from infra.packages.zip_names import other_format

CHUNK: Final = 1024 * 1024
EXECUTABLE: Final = 0o755
MAX_UNZIPPED: Final = 4 * 1024**3
PLAIN: Final = 0o644
ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

# All that the library raises for bytes that somebody made up.
_UNREADABLE: Final = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(folder: Path) -> str:
    """Return one SHA-256 over all files of a folder: their paths, whether they are executable, and their content."""
    digest = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{_mode(path):o}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def zip_folder(folder: Path, archive: Path) -> None:
    """Zip all files of a folder; neither dates, owners nor the order on disk change a byte of the archive.

    Raises:
        ArchiveError: the folder holds no file, something that is neither a file nor a folder, or two names that
            :func:`unzip` takes for one.
    """
    check_folder(folder)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=archive.parent, prefix=f".{archive.name}-", delete=False) as temporary:
        partial = Path(temporary.name)
    try:
        with zipfile.ZipFile(partial, "w") as target:
            for path in _files(folder):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), ZIP_EPOCH)
                # Deflated bytes depend on the zlib of the machine, and with them the hash that names the image.
                entry.compress_type = zipfile.ZIP_STORED
                entry.create_system = 3
                entry.external_attr = (stat.S_IFREG | _mode(path)) << 16
                with path.open("rb") as source, target.open(entry, "w") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def check_folder(folder: Path) -> list[str]:
    """See that a folder can be zipped; return the names of its files, with slashes.

    Raises:
        ArchiveError: as from :func:`zip_folder`.
    """
    files = _files(folder)
    if not files:
        raise ArchiveError(f"The folder {folder} holds no file. Put the application's files into it.")
    names = [PurePosixPath(path.relative_to(folder).as_posix()) for path in files]
    require_distinct(folder, names)
    return [str(name) for name in names]


def check_zip(archive: Path) -> list[str]:
    """Read an archive through and see that it can be unpacked; return the names of its files, with slashes.

    Raises:
        ArchiveError: the file is no zip, is damaged, or holds an entry that :func:`unzip` refuses.
    """
    if not archive.is_file():
        raise ArchiveError(f"There is no file {archive}. Mend the path, or put the file there.")
    try:
        with zipfile.ZipFile(archive) as source:
            entries = checked_entries(archive, source, MAX_UNZIPPED)
            if damaged := source.testzip():
                raise ArchiveError(f"{archive} is damaged: {damaged!r} does not match its checksum. Make it again.")
            return [str(name) for _, name in entries]
    except ArchiveError:
        raise
    except _UNREADABLE as error:
        if other := other_format(archive):
            raise ArchiveError(f"{archive} is {other}") from error
        raise ArchiveError(f"{archive} cannot be read as a zip: {error}. Make it again.") from error


def unzip(archive: Path, folder: Path, *, max_bytes: int = MAX_UNZIPPED) -> None:
    """Unpack an archive into a folder that is empty or not there yet.

    Args:
        archive: the zip file.
        folder: where its files go.
        max_bytes: how many bytes the files may have together; what is written counts, not what the archive claims.

    Raises:
        ArchiveError: an entry would leave the folder, is a link, a device or encrypted, comes twice, is too much, or
            is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as source:
            left = max_bytes
            for entry, name in checked_entries(archive, source, max_bytes):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(entry) as stream, target.open("xb") as sink:
                    while chunk := stream.read(CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise ArchiveError(too_much(archive, max_bytes))
                        sink.write(chunk)
                target.chmod(EXECUTABLE if (entry.external_attr >> 16) & stat.S_IXUSR else PLAIN)
    except ArchiveError:
        raise
    except _UNREADABLE as error:
        raise ArchiveError(f"{archive} cannot be unpacked: {error}. Make it again.") from error


def _files(folder: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(folder):
        # Bytecode carries dates and follows whoever ran the code last; it is no part of anybody's application.
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in [*folders, *names]:
            path = Path(root, name)
            if path.is_symlink():
                raise ArchiveError(f"{path} is a link. Put the file itself there, since links are not unpacked.")
            if name in names:
                if not path.is_file():
                    raise ArchiveError(f"{path} is neither a file nor a folder. Remove it.")
                found.append(path)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _mode(path: Path) -> int:
    return EXECUTABLE if path.stat().st_mode & stat.S_IXUSR else PLAIN
