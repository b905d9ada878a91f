"""The data folder of a local run: its lock, its own secret, and the stable names and keys made from the secret."""

from __future__ import annotations

import base64
import errno
import hashlib
import hmac
import os
import secrets
import tempfile
import uuid
from pathlib import Path
from typing import Final

import filelock

from infra.local.data.private import PRIVATE, NotPrivateError, make_private, require_contents
from pipeline_app.worker.disk import is_full

OTHER_FOLDER: Final = "Choose another folder with --data, such as one in your home."
# With --containers, the user of the image has its part in it, as on a mounted share.
SHARE: Final = "share"


class DataFolderError(RuntimeError):
    """The data folder cannot be used; the text says why and what to do."""


def disk_problem(path: Path, error: OSError) -> str:
    """Return what a refused write says about a disk, and what to do, in sentences."""
    why = {
        errno.EACCES: "may not be written to by this user",
        errno.EDQUOT: "is full, since your quota is used up",
        errno.ENOSPC: "is full",
        errno.EPERM: "may not be written to by this user",
        errno.EROFS: "is on a disk that can only be read",
    }.get(error.errno or 0, f"cannot be written to ({error.strerror or error})")
    remedy = "Make room there, or choose" if is_full(error) else "Choose"
    return f"{path} {why}. {remedy} another folder with --data."


class DataFolder:
    """A folder that belongs to one user, and to one run at a time, and remembers who it is from one run to the next.

    Every generated name, id and key is derived from one random secret kept in the folder, so that a restart meets
    the same names and keys and two folders never do.

    Attributes:
        root: the folder.
        tightened: what was changed so that no other user can look into it, in a sentence, or None.
    """

    def __init__(self, root: Path) -> None:
        """Make the folder, take its lock and read or make its secret.

        Raises:
            DataFolderError: another run uses the folder, it cannot be written to, or it is, or may be, in the hands
                of another user.
        """
        try:
            self.tightened = make_private(root)
            # Before anything is made in it, since whoever put a link there could have a file elsewhere overwritten.
            require_contents(root, {os.geteuid()}, OTHER_FOLDER, shared={SHARE})
        except NotPrivateError as error:
            raise DataFolderError(str(error) if OTHER_FOLDER in str(error) else f"{error} {OTHER_FOLDER}") from error
        except OSError as error:
            raise DataFolderError(disk_problem(root.resolve(), error)) from error
        self.root = root.resolve()
        self._lock = filelock.FileLock(self.root / ".lock")
        try:
            self._lock.acquire(timeout=0)
            self._secret = self._read_or_make_secret()
        except filelock.Timeout as error:
            raise DataFolderError(
                f"Another local run uses the data folder {self.root}. End it, or choose another folder with --data."
            ) from error
        except OSError as error:
            self._lock.release()
            raise DataFolderError(disk_problem(self.root, error)) from error

    def release(self) -> None:
        """Let another run have the folder."""
        self._lock.release()

    def folder(self, *names: str) -> Path:
        """Return a folder inside the data folder, made if it is not there."""
        path = self.root
        for name in names:
            path /= name
            path.mkdir(mode=PRIVATE, exist_ok=True)
        return path

    def key(self, purpose: str) -> str:
        """Return 64 bytes in base64, the form of a storage account key."""
        return base64.b64encode(hmac.digest(self._secret, f"key {purpose}".encode(), "sha512")).decode()

    def suffix(self, purpose: str) -> str:
        """Return eight hex digits, such as Pulumi puts at the end of a name that it chose."""
        return hmac.digest(self._secret, f"suffix {purpose}".encode(), "sha256").hex()[:8]

    def uuid(self, purpose: str) -> str:
        """Return a UUID."""
        return str(uuid.UUID(bytes=hmac.digest(self._secret, f"uuid {purpose}".encode(), "sha256")[:16], version=4))

    def _read_or_make_secret(self) -> bytes:
        path = self.root / "secret"
        if not path.exists():
            write_private(path, secrets.token_bytes(32).hex())
        return bytes.fromhex(path.read_text(encoding="ascii"))


def write_private(path: Path, text: str) -> None:
    """Write a text file that only its owner can read, so that it is either whole or not there."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def digest_tree(*roots: Path) -> str:
    """Return the SHA-256, in hex, of the names, modes and contents of all files below some folders or files."""
    whole = hashlib.sha256()
    for root in roots:
        files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            name = root.name if root.is_file() else file.relative_to(root).as_posix()
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            executable = os.access(file, os.X_OK)
            whole.update(f"{root.name}\0{name}\0{executable}\0{content}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()
