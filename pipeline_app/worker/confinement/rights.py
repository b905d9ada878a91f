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

# Where machines of Azure give out tokens and other secrets, whatever the address:
# 80: the metadata service at 169.254.169.254, which gives tokens of the identity in Linux container groups, and the
#   wire server at 168.63.129.16, which has the settings of the machine's extensions.
# 2377: the token service of Windows container groups and of Service Fabric; Linux groups may reach 169.254.128.1 too.
# 32526: the host's plugin for guest agents, with the same settings as the wire server.
# Sources: https://learn.microsoft.com/azure/container-instances/container-instances-managed-identity,
# https://learn.microsoft.com/azure/service-fabric/how-to-managed-identity-service-fabric-app-code,
# https://microsoft.github.io/virtualnodesOnAzureContainerInstances/Docs/PodCustomizations.html,
# https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16,
# https://github.com/Azure/AgentBaker/pull/4470
SECRET_PORTS: Final = (80, 2377, 32526)
# Variables that name another place. What is always the same port there (40342 of Azure Arc, 42356 of Container Apps,
# 50342 of Cloud Shell) is among those that Linux lends to any program, so that it is closed where it is named alone.
# Sources: https://learn.microsoft.com/azure/app-service/overview-managed-identity,
# https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication
ENDPOINTS: Final = ("IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT")

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
    endpoints: Sequence[str],
    hidden: Sequence[Path],
    input_folder: Path,
    network: Network,
    readable: Sequence[Path],
    share: Path,
    work_folder: Path,
    writable: Sequence[Path],
) -> Rights:
    """Return the rights of one slot's applications.

    Args:
        endpoints: the addresses, besides those that are known, where tokens can be had on this machine.
        hidden: what they may not read, wherever it lies.
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
        closed_ports=_closed(network, endpoints),
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


def _closed(network: Network, endpoints: Sequence[str]) -> tuple[int, ...] | None:
    if network != "no-metadata":
        return None if network == "none" else ()
    addresses = [urlsplit(endpoint) for endpoint in endpoints]
    named = {each.port or (443 if each.scheme == "https" else 80) for each in addresses}
    return tuple(sorted(named.union(SECRET_PORTS)))
