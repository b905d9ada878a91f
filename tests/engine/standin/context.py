"""The hash that pulumi-docker takes of a build context, honouring .dockerignore."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path


def context_digest(context: Path, dockerfile: Path) -> str:
    """Return one hash over the path, mode and content of the Dockerfile and of every file that is not ignored.

    Links count by where they lead, and are not followed.
    """
    ignore = _ignore_patterns(context, dockerfile)
    digest = hashlib.sha256()
    _add(digest, dockerfile, "Dockerfile", 0)
    for folder, folders, names in os.walk(context):
        folders.sort()
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(folder, name)
            relative = path.relative_to(context).as_posix()
            if not _ignored(relative, ignore):
                _add(digest, path, relative, path.lstat().st_mode)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, path: Path, name: str, mode: int) -> None:
    content = str(path.resolve()).encode() if stat.S_ISLNK(mode) else path.read_bytes()
    digest.update(f"{name}\0{stat.filemode(mode)}\0{hashlib.sha256(content).hexdigest()}\0".encode())


def _ignore_patterns(context: Path, dockerfile: Path) -> list[tuple[re.Pattern[str], bool]]:
    for file in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
        if file.is_file():
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
            return [
                (_pattern(line.removeprefix("!").strip("/")), line.startswith("!"))
                for line in lines
                if line and not line.startswith("#")
            ]
    return []


def _ignored(name: str, patterns: list[tuple[re.Pattern[str], bool]]) -> bool:
    parts = name.split("/")
    ways = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    ignored = False
    for pattern, exception in patterns:
        # A pattern that fits a folder fits all that is in it; the last pattern that fits decides.
        if any(pattern.fullmatch(way) for way in ways):
            ignored = not exception
    return ignored


def _pattern(text: str) -> re.Pattern[str]:
    expression = ""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?)", text):
        expression += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
    return re.compile(expression)
