"""Folders that nobody but their owner may touch: made so, or refused with who could touch them and what to do.

What a run keeps is code that it starts and keys that it signs by, so whoever can put a file there runs code as this
user. On a machine with several users that takes no more than a name in a shared folder, made before its owner comes.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o077
PRIVATE: Final = 0o700
ROOT: Final = 0
WRITABLE: Final = 0o022

# Deeper than the parts of a run keep their folders, and what is below such a folder nobody else could reach.
_LEVELS: Final = 2


class NotPrivateError(RuntimeError):
    """Others could have put something into a folder, or could do so; the text names the folder, whom, and the fix."""


def keep_private() -> None:
    """Let all that this process and its children make be its user's alone, whatever umask it was started with."""
    os.umask(OWNER_ONLY)


def make_private(folder: Path) -> str | None:
    """Make a folder that is this user's alone, or see that the one there is; return what was changed about it.

    Bits for others are taken away, which is told, where they let others only read or nothing is there. Where others
    could write, what is there may be theirs, and no change of a mode makes it trustworthy.

    Args:
        folder: where it is, or is to be.

    Raises:
        NotPrivateError: the folder or one above it is, or may be, in the hands of another user.
        OSError: the folder cannot be made.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _require_way(folder)
    try:
        folder.mkdir(mode=PRIVATE)
    except FileExistsError:
        _require_own(folder)
    # The checks above go by the name. This handle is of what they looked at, since nobody else may change a name here.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if not mode & OWNER_ONLY:
            return None
        os.fchmod(handle, mode & ~OWNER_ONLY)
        if os.fstat(handle).st_mode & OWNER_ONLY:
            raise NotPrivateError(
                f"{folder} is open to other users (its mode is {mode:04o}), and its file system keeps no other mode."
            )
        if mode & WRITABLE and os.listdir(handle):
            # It was put there since the folder was found empty.
            raise NotPrivateError(_filled(folder, _user(os.geteuid()), mode))
    finally:
        os.close(handle)
    return f"{folder} was open to other users (its mode was {mode:04o}); now it is yours alone."


def require_private(folder: Path) -> None:
    """See that a folder is this user's alone, in the same way, and change nothing. One that is not there is.

    Raises:
        NotPrivateError: it is not.
    """
    folder = folder.absolute()
    _require_way(folder)
    if os.path.lexists(folder):
        _require_own(folder)


def require_trusted(folder: Path, owners: Collection[int]) -> None:
    """See that nobody but some users could have put anything into a folder, if it is there, or could put it there.

    Args:
        folder: where it is, or will be.
        owners: the ids of the users who may own it, besides root.

    Raises:
        NotPrivateError: somebody else could.
    """
    folder = folder.absolute()
    _require_way(folder, owners)
    if not folder.exists():
        return
    status = folder.stat()
    if status.st_uid not in {ROOT, *owners}:
        raise NotPrivateError(f"{folder} belongs to {_user(status.st_uid)}. Remove it, and it is made anew.")
    if status.st_mode & stat.S_IWOTH:
        raise NotPrivateError(
            f"Every user may write to {folder} (its mode is {stat.S_IMODE(status.st_mode):04o}). Remove it, and it is "
            "made anew."
        )
    require_contents(folder, {ROOT, *owners}, "Remove it, and it is made anew.")


def require_contents(folder: Path, owners: Collection[int], remedy: str, shared: Collection[str] = ()) -> None:
    """See that what is in a folder belongs to some users, and that none of its folders is open to everybody.

    Args:
        folder: where to look, two levels deep.
        owners: the ids of the users who may own it.
        remedy: what to do otherwise, a sentence.
        shared: names in the folder that others have their part in.

    Raises:
        NotPrivateError: something is another's, or may be.
    """
    for path, status in _entries(folder, _LEVELS, shared):
        if status.st_uid not in owners:
            raise NotPrivateError(f"{path} belongs to {_user(status.st_uid)}, who has put it there. {remedy}")
        if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise NotPrivateError(
                f"Every user may write to {path} (its mode is {stat.S_IMODE(status.st_mode):04o}), so what is in it "
                f"may be anybody's. {remedy}"
            )


def _entries(folder: Path, levels: int, shared: Collection[str]) -> Iterator[tuple[Path, os.stat_result]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in shared:
            continue
        yield Path(entry.path), entry.stat(follow_symlinks=False)
        if levels > 1 and entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), levels - 1, ())


def _require_own(folder: Path) -> None:
    """See that there is a folder of this user's that nobody else may write to."""
    status = folder.lstat()
    owner = _user(status.st_uid)
    if stat.S_ISLNK(status.st_mode):
        raise NotPrivateError(
            f"{folder} is a link to {os.readlink(folder)}, made by {owner}; whoever made it decides where it leads. "
            "Name the folder itself."
        )
    if not stat.S_ISDIR(status.st_mode):
        raise NotPrivateError(f"{folder} is no folder.")
    # Root is no exception: it would start what another user has put there.
    if status.st_uid != os.geteuid():
        raise NotPrivateError(
            f"{folder} belongs to {owner}, and this is {_user(os.geteuid())}: what is in it would be started with "
            "your rights."
        )
    if (mode := stat.S_IMODE(status.st_mode)) & WRITABLE and os.listdir(folder):
        raise NotPrivateError(_filled(folder, owner, mode))


def _filled(folder: Path, owner: str, mode: int) -> str:
    return (
        f"{folder}, which belongs to {owner}, may be written to by other users (its mode is {mode:04o}), so what is in "
        f"it may be anybody's. If you trust all of it, run 'chmod go-rwx {folder}'."
    )


def _require_way(folder: Path, owners: Collection[int] = ()) -> None:
    """See that nobody but this user, root and some others can put another folder in the place of this one.

    Of a folder that everybody may write to, the sticky bit keeps others from renaming what is in it; its own owner, and
    that of a link on the way, are kept by nothing.
    """
    trusted = {ROOT, os.geteuid(), *owners}
    for above in reversed(folder.parents):
        try:
            status = above.lstat()
        except FileNotFoundError:
            # What is not there, nobody has made; whoever makes it looks again.
            return
        if stat.S_ISLNK(status.st_mode):
            if status.st_uid not in trusted:
                raise NotPrivateError(
                    f"On the way to {folder} is the link {above}, which {_user(status.st_uid)} made and may change."
                )
            # What it leads to is looked at in the same way, as far as it is no step of this way.
            _require_way(above.resolve() / "within", owners)
        elif status.st_mode & stat.S_IWOTH and (not status.st_mode & stat.S_ISVTX or status.st_uid not in trusted):
            raise NotPrivateError(
                f"Every user may write to {above} (its mode is {stat.S_IMODE(status.st_mode):04o}), which belongs to "
                f"{_user(status.st_uid)}, so another folder can be put in the place of {folder}."
            )


def _user(number: int) -> str:
    try:
        return f"{pwd.getpwuid(number).pw_name} (user id {number})"
    except KeyError:
        return f"user id {number}"
