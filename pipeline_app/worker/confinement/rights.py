"""What an application may do, as the worker says it to the keeper: which files, which ports, how many processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

Network = Literal["full", "no-metadata", "none"]
NETWORKS: Final[tuple[Network, ...]] = ("full", "no-metadata", "none")

# Where Azure's machines hand out tokens of their identity. App Service and newer container groups name another port in
# IDENTITY_ENDPOINT.
# Source: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
METADATA_PORT: Final = 80

# Devices that every program may count on, and memory that processes share by name, as multiprocessing of Python does.
DEVICES: Final = (
    "/dev/full",
    "/dev/null",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
)
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 -- the place that shm_open(3) has.
# What shows through /proc of other processes is kept from them by the kernel: no process may look into one that is
# outside of its own confinement.
_KERNEL: Final = ("/proc", "/sys")
# Files that a machine keeps from most users, which root may read all the same.
_SECRETS: Final = (
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/run/secrets",
    "/var/run/secrets",
)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What the applications of one slot may do.

    Attributes:
        closed_ports: TCP ports that they may not connect to; None for all.
        listed: folders whose entries they may list, with all below, and no more.
        readable: files and folders that they may read and execute.
        writable: those that they may also change.
    """

    closed_ports: tuple[int, ...] | None
    listed: tuple[str, ...]
    readable: tuple[str, ...]
    writable: tuple[str, ...]

    def encode(self) -> dict[str, Any]:
        """Return this as what JSON has."""
        return asdict(self)

    @classmethod
    def decode(cls, record: Mapping[str, Any]) -> Rights:
        """Return what ``encode`` was given."""
        ports = record["closed_ports"]
        return cls(
            closed_ports=None if ports is None else tuple(ports),
            listed=tuple(record["listed"]),
            readable=tuple(record["readable"]),
            writable=tuple(record["writable"]),
        )


def rights(
    *,
    hidden: Sequence[Path],
    identity_endpoint: str,
    input_folder: Path,
    network: Network,
    readable: Sequence[Path],
    share: Path,
    work_folder: Path,
    writable: Sequence[Path],
) -> Rights:
    """Return the rights of one slot's applications.

    Args:
        hidden: what they may not read, wherever it lies.
        identity_endpoint: where the worker gets its tokens, or nothing.
        input_folder: where their input lies, which they may read.
        network: what they may connect to.
        readable: the folders in which programs and their data are; what is hidden in one is left out.
        share: the mounted share, which they may read.
        work_folder: where they work.
        writable: what else they may change.
    """
    # The share has a log in which other files are named, and may be mounted below what is readable.
    shared = without(share, hidden)
    aside = [*hidden, share, Path("/dev"), *map(Path, _KERNEL), *map(Path, _SECRETS)]
    programs = [place for folder in readable for place in without(folder, aside)]
    return Rights(
        closed_ports=_closed(network, identity_endpoint),
        # What is put there later than this can be seen, and read by the next worker.
        listed=() if shared == [str(share.resolve())] else (str(share),),
        readable=(*dict.fromkeys([*programs, *shared]), *_KERNEL, str(input_folder)),
        writable=(*map(str, writable), *DEVICES, SHARED_MEMORY, str(work_folder)),
    )


def without(folder: Path, hidden: Sequence[Path]) -> list[str]:
    """Return paths that make up a folder without what is hidden in it.

    A link is left out, since it would lead to what it is a link to; where that is in a readable folder itself, it is
    found there.
    """
    folder = folder.resolve()
    return _without(str(folder), {str(each.resolve()) for each in hidden})


def _without(path: str, hidden: set[str]) -> list[str]:
    if path in hidden:
        return []
    below = {each for each in hidden if each.startswith(path.rstrip("/") + "/")}
    if not below:
        return [path]
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.path for entry in entries if not entry.is_symlink())
    except OSError:
        # What the worker may not list, its applications may not read.
        return []
    return [place for name in names for place in _without(name, below)]


def _closed(network: Network, identity_endpoint: str) -> tuple[int, ...] | None:
    if network != "no-metadata":
        return None if network == "none" else ()
    ports = {METADATA_PORT}
    if identity_endpoint:
        address = urlsplit(identity_endpoint)
        ports.add(address.port or (443 if address.scheme == "https" else 80))
    return tuple(sorted(ports))
