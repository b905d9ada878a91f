"""Zip files made and unpacked with care: the same bytes from the same content, and nothing but files inside."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock

from infra.packages.zip_names import entry_name, other_format

CHUNK: Final = 1024 * 1024
EXECUTABLE: Final = 0o755
# Files and folders together, whether a folder has an entry of its own or is only named by its files.
MAX_ENTRIES: Final = 100_000
MAX_UNZIPPED: Final = 4 * 1024**3
PLAIN: Final = 0o644
ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

_READ: Final = (zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_STORED)
# Source: .ZIP File Format Specification, 4.4.5
_METHODS: Final = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES"}

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


class ArchiveError(ValueError):
    """An archive that cannot be trusted or read; the text names the archive, the entry and the reason."""


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
    _require_distinct(folder, names)
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
            entries = _entries(archive, source, MAX_UNZIPPED)
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
            for entry, name in _entries(archive, source, max_bytes):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(entry) as stream, target.open("xb") as sink:
                    while chunk := stream.read(CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise ArchiveError(_too_much(archive, max_bytes))
                        sink.write(chunk)
                target.chmod(EXECUTABLE if (entry.external_attr >> 16) & stat.S_IXUSR else PLAIN)
    except ArchiveError:
        raise
    except _UNREADABLE as error:
        raise ArchiveError(f"{archive} cannot be unpacked: {error}. Make it again.") from error


def cache_is_current(cache: Path, sha256: str) -> bool:
    """Tell whether a folder still holds, untouched, what the archive of this SHA-256 unpacks to.

    What another user has put there does not count, since the record that would show it is as easily made.
    """
    for path in (cache, _record(cache)):
        if path.exists() and (path.lstat().st_uid != os.geteuid() or path.lstat().st_mode & stat.S_IWOTH):
            return False
    try:
        record = json.loads(_record(cache).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    try:
        return cache.is_dir() and record == {"archive": sha256, "content": tree_sha256(cache)}
    except ArchiveError:
        # Somebody put something into it that came from no archive, such as a link.
        return False


def refresh_cache(archive: Path, sha256: str, cache: Path) -> bool:
    """Make a folder hold what an archive unpacks to, and tell whether that changed it.

    The new content is made beside the folder and takes its place by a rename, under a lock, so that a build never
    sees half of it; an unchanged folder is left alone, so that its dates do not stir a build either.

    Raises:
        ArchiveError: the archive has another SHA-256, or cannot be unpacked.
    """
    actual = file_sha256(archive)
    if actual != sha256.lower():
        raise ArchiveError(f"{archive} has the SHA-256 {actual}, not {sha256}. Fetch the right one or mend the hash.")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{cache}.lock"):
        if cache_is_current(cache, actual):
            return False
        with tempfile.TemporaryDirectory(dir=cache.parent, prefix=f"{cache.name}-") as temporary:
            fresh, stale = Path(temporary, "fresh"), Path(temporary, "stale")
            unzip(archive, fresh)
            if cache.exists():
                cache.rename(stale)
            fresh.rename(cache)
            record = {"archive": actual, "content": tree_sha256(cache)}
            # A new file, whoever has made the one that is there, and wherever that leads.
            _record(cache).unlink(missing_ok=True)
            _record(cache).write_text(json.dumps(record), encoding="utf-8")
    return True


def _entries(archive: Path, source: zipfile.ZipFile, max_bytes: int) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    entries = source.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ArchiveError(f"{archive} has {len(entries)} entries; at most {MAX_ENTRIES} are unpacked.")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise ArchiveError(_too_much(archive, max_bytes))
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
    _require_distinct(archive, [name for _, name in checked])
    return checked


def _require_distinct(where: Path, names: list[PurePosixPath]) -> None:
    """See that the files have names that are distinct on any disk, and are in a bounded number of folders.

    Disks of other systems make no difference between upper and lower case or between two ways to write an accent; the
    image, and the hash of what is in it, must not depend on where the archive was unpacked.
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


def _plain(name: str) -> str:
    """Return a name as the least particular disk compares it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


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


def _record(cache: Path) -> Path:
    return cache.with_name(f"{cache.name}.json")


def _too_much(archive: Path, max_bytes: int) -> str:
    return f"{archive} unpacks to more than {max_bytes} bytes, which is the bound against archives that flood a disk."
