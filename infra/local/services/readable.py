"""What an application may read on this machine: its programs, and nothing that is anybody's.

In the image an application may read all there is, but this machine is not made for it. So here it is what the system's
own folders have, what was installed for it, and the programs that the PATH leads to with what belongs to them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline_app.worker.confinement.rights import without

SYSTEM: Final = tuple(
    map(
        Path,
        (
            "/bin",
            "/etc",
            "/lib",
            "/lib32",
            "/lib64",
            "/libx32",
            "/nix/store",
            "/opt",
            "/sbin",
            "/usr",
            "/var/cache/fontconfig",
        ),
    )
)
# What belongs to programs in a folder "bin", beside it.
_BESIDE: Final = ("lib", "lib32", "lib64", "libexec", "pyvenv.cfg", "share")


def readable(prefix: Path, path: str, hidden: Sequence[Path]) -> list[str]:
    """Return the folders and files that an application may read on this machine.

    Args:
        prefix: where it was installed.
        path: the PATH that it is found on.
        hidden: folders that it may not read, unless one of those that it may read lies within.
    """
    folders = [Path(each) for each in path.split(os.pathsep) if os.path.isabs(each)]
    found = [*SYSTEM, *_programs([*folders, prefix / "bin"])]
    places = [place for each in found if each.exists() for place in without(each, hidden)]
    return list(dict.fromkeys([*places, str(prefix)]))


def _programs(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from _around(folder)
        if not folder.is_dir():
            continue
        # A program of another place may be linked here, as the interpreter is in a virtual environment.
        targets = {entry.resolve().parent for entry in folder.iterdir() if entry.is_symlink()}
        for target in sorted(targets):
            yield from _around(target)


def _around(folder: Path) -> Iterator[Path]:
    """Yield a folder of programs and what belongs to them, but for the system's, which is readable anyway."""
    if any(each in (folder, *folder.parents) for each in SYSTEM) or folder == Path("/"):
        return
    yield folder
    if folder.name in ("bin", "sbin"):
        # A person's own folder has there what is not of programs.
        beside = _BESIDE if folder.parent.name != ".local" else ("lib",)
        yield from (folder.parent / name for name in beside)
