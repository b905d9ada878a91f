"""Installs the Pulumi CLI of the SDK's version, if its archive is the right one: ``python -m infra.pulumi_install``.

The SDK's own way runs a script from the network. Here nothing of the archive is looked at, let alone run, before its
SHA-256 is the one that ``pulumi-cli.sha256`` beside this has for it. Of a version that is not there, it has to be the
one that the release's own list has, which is on another host; ``--pin`` writes that list there, to be looked at and
kept.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PINS: Final = Path(__file__).with_name("pulumi-cli.sha256")
PROJECT: Final = Path(__file__).parents[1]

# Source: https://www.pulumi.com/docs/iac/download-install/ and the assets of a release
ARCHIVES: Final = "https://get.pulumi.com/releases/sdk/"
LISTS: Final = "https://github.com/pulumi/pulumi/releases/download/"
MACHINES: Final = {"aarch64": "arm64", "amd64": "x64", "arm64": "arm64", "x86_64": "x64"}
SYSTEMS: Final = ("darwin", "linux")

# The archive has some 100 MB, and a list some hundreds of bytes for each platform.
LARGEST_ARCHIVE: Final = 1024**3
LARGEST_LIST: Final = 1024**2
SECONDS: Final = 60.0

# What is at the top of the archive: the CLI and its language hosts.
FOLDER: Final = "pulumi"
_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S+)")
_OWN: Final = re.compile(rf"{FOLDER}/(pulumi[\w.-]*)")


class InstallError(RuntimeError):
    """The CLI cannot be installed; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where archives and the lists of their hashes are, as URLs that end in a slash."""

    archives: str = ARCHIVES
    lists: str = LISTS


def archive_name(version: str, system: str, machine: str) -> str:
    """Return what the archive for a platform is called, by what Python calls the platform.

    Raises:
        InstallError: there is none.
    """
    if system.lower() not in SYSTEMS or machine.lower() not in MACHINES:
        raise InstallError(
            f"There is no Pulumi CLI for {system} on {machine} that this installs. Install version {version} as "
            "https://www.pulumi.com/docs/iac/download-install/ says."
        )
    return f"pulumi-v{version}-{system.lower()}-{MACHINES[machine.lower()]}.tar.gz"


def read_pins(text: str) -> dict[str, str]:
    """Return SHA-256 by file of a list as ``sha256sum`` writes it; lines that begin with ``#`` say nothing.

    Raises:
        InstallError: a line is none of such a list.
    """
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.replace(" *", "  "))
        if match is None:
            raise InstallError(f"The line {line[:80]!r} is none of a list of SHA-256 and file names.")
        pins[match[2]] = match[1]
    return pins


def install(target: Path, version: str, archive: str, pins: Mapping[str, str], hosts: Hosts | None = None) -> str:
    """Install the CLI into a folder of commands, and return in a sentence what vouches for it.

    Raises:
        InstallError: the archive is not what it has to be, or cannot be had; nothing was changed then.
    """
    hosts = hosts or Hosts()
    expected = pins.get(archive)
    voucher = f"its SHA-256 is the one in {PINS.name}"
    if expected is None:
        expected = published(version, hosts).get(archive)
        voucher = (
            f"its SHA-256 is the one that the release's own list has. It is not in {PINS.name}: "
            "'python -m infra.pulumi_install --pin' writes it there, to be looked at and kept"
        )
    if expected is None:
        raise InstallError(f"The list of the release {version} has no {archive}. Is it a release of Pulumi's?")
    target.mkdir(parents=True, exist_ok=True)
    # On the disk of the target, so that each command takes its place at once.
    with tempfile.TemporaryDirectory(prefix=".pulumi-", dir=target) as folder:
        downloaded = Path(folder, "archive")
        found = _download(f"{hosts.archives}{archive}", downloaded, LARGEST_ARCHIVE)
        if found != expected:
            raise InstallError(
                f"{hosts.archives}{archive} has the SHA-256 {found}, and it has to be {expected}: it is not the "
                "archive of that release. Nothing of it was used; do not install it by hand either."
            )
        for command in _unpacked(downloaded, Path(folder)):
            os.replace(command, target / command.name)
    return f"Pulumi {version} is installed in {target}: {voucher}."


def published(version: str, hosts: Hosts) -> dict[str, str]:
    """Return SHA-256 by file as the release's own list has it.

    Raises:
        InstallError: there is no such list, or it cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "list")
        _download(f"{hosts.lists}v{version}/pulumi-{version}-checksums.txt", file, LARGEST_LIST)
        return read_pins(file.read_text(encoding="utf-8", errors="replace"))


def pin(version: str, hosts: Hosts, file: Path = PINS) -> None:
    """Write the hashes of a release's archives to a file, instead of those that it has."""
    names = {f"pulumi-v{version}-{system}-{machine}.tar.gz" for system in SYSTEMS for machine in MACHINES.values()}
    lines = [f"{digest}  {name}" for name, digest in sorted(published(version, hosts).items()) if name in names]
    if len(lines) != len(names):
        raise InstallError(f"The list of the release {version} has not all of {', '.join(sorted(names))}.")
    comments = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    file.write_text("\n".join([*comments, *lines, ""]), encoding="utf-8")


def _download(url: str, file: Path, largest: int) -> str:
    """Write what is at a URL to a file and return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    try:
        # Both addresses are written above, and a test's are on this machine.
        with urllib.request.urlopen(url, timeout=SECONDS) as answer, file.open("wb") as output:  # noqa: S310
            while piece := answer.read(1024**2):
                size += len(piece)
                if size > largest:
                    raise InstallError(f"{url} has more than {largest:,} bytes, which it cannot have. Try again later.")
                digest.update(piece)
                output.write(piece)
            announced = answer.headers.get("Content-Length")
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            # It is the answer, too, and holds its connection.
            error.close()
        raise InstallError(
            f"{url} cannot be fetched: {error}. Give this machine a way there (HTTPS_PROXY, SSL_CERT_FILE)."
        ) from error
    if announced is not None and int(announced) != size:
        raise InstallError(f"{url} broke off after {size:,} of {int(announced):,} bytes. Try again.")
    return digest.hexdigest()


def _unpacked(archive: Path, folder: Path) -> list[Path]:
    """Return the commands of an archive, unpacked into a folder; the CLI comes last, since all else is its.

    Raises:
        InstallError: it has no CLI.
    """
    commands = []
    with tarfile.open(archive, "r:gz") as source:
        for member in source:
            match = _OWN.fullmatch(member.name.removeprefix("./"))
            if match is None or not member.isfile():
                continue
            content = source.extractfile(member)
            if content is None:
                continue
            command = folder / match[1]
            with content, command.open("wb") as output:
                shutil.copyfileobj(content, output)
            command.chmod(0o755)
            commands.append(command)
    if not any(command.name == FOLDER for command in commands):
        raise InstallError(f"{archive} has no {FOLDER}/{FOLDER}, so it is no archive of the CLI.")
    return sorted(commands, key=lambda command: (command.name == FOLDER, command.name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the CLI beside this Python, or write the hashes of its release; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pin", action="store_true", help=f"write the release's hashes to {PINS.name} instead")
    parser.add_argument("--target", type=Path, default=PROJECT / ".venv" / "bin", help="the folder of commands")
    given = parser.parse_args(arguments)
    version = importlib.metadata.version("pulumi")
    try:
        if given.pin:
            pin(version, Hosts())
            print(f"The hashes of Pulumi {version} are in {PINS}. Compare them with the release's page, and keep them.")
        else:
            archive = archive_name(version, platform.system(), platform.machine())
            print(install(given.target, version, archive, read_pins(PINS.read_text(encoding="utf-8"))))
    except InstallError as error:
        print(f"pulumi_install: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
