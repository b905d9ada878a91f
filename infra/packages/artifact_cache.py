"""The folder that an artifact is unpacked into, made anew only where it does not hold just what the archive does."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

from filelock import FileLock

from infra.packages.archive import file_sha256, tree_sha256, unzip
from infra.packages.archive_entries import ArchiveError


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


def _record(cache: Path) -> Path:
    return cache.with_name(f"{cache.name}.json")
