"""What runs the one container of a group: a process from the image's folder, or the Docker engine of this machine."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from infra.local.processes.child import Command
from infra.local.services.images import Image, path_for
from infra.local.services.liveness import Probe
from infra.local.services.readable import readable

_log = logging.getLogger(__name__)

WORKER: Final = ("python", "-m", "pipeline_app.worker")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What the stack declares of a group; ``mounts`` are folders of this machine by path in the container."""

    command: Sequence[str]
    container: str
    environment: Mapping[str, str]
    id: str
    image: Image
    location: str
    mounts: Mapping[str, Path]
    name: str
    probe: Probe | None = None


class Engine(Protocol):
    """Runs the one container of a group."""

    def command(self, definition: Definition, port: int) -> Command:
        """Return the process that is, or stands for, the container; its health endpoint is to be at the port."""

    def clear(self, definition: Definition) -> None:
        """Remove what an ended or killed container left."""

    def clear_all(self) -> None:
        """Remove what the containers of an earlier run left that was killed, whatever they were called."""

    def log_of(self, definition: Definition) -> Path:
        """Return the file that what the container prints is written to."""

    def remove(self, definition: Definition) -> None:
        """Remove all that a container left that is not run again."""


def _health(port: int) -> dict[str, str]:
    """Return what puts a worker's status on a port of loopback; a container here shares this machine's network."""
    return {"APP_HEALTH_ADDRESS": "127.0.0.1", "APP_HEALTH_PORT": str(port)}


def open_to_all(folder: Path) -> None:
    """Let the image's user, who is not this one, read and write what is mounted, as in Azure every user may.

    Nobody else gets there by it, since the data folder that it is in lets no other user in. What the image's user has
    made there is left as it is.
    """
    # By handles, since a container that runs already may put a link to a file of this machine in the place of another.
    for _, _, files, handle in os.fwalk(folder):
        _open_handle(handle)
        for name in files:
            try:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
            except OSError as error:
                # It is a link, is gone meanwhile, or is the image's user's.
                _log.debug("%s on the share was left as it is: %s", name, error)
                continue
            try:
                _open_handle(file)
            finally:
                os.close(file)


def _open_handle(handle: int) -> None:
    if os.fstat(handle).st_uid == os.geteuid():
        os.fchmod(handle, 0o777)


class ProcessEngine:
    """Runs the container's command as a process from the image's folder, in an environment of its own."""

    def __init__(self, folder: Path, logs: Path, hidden: Path) -> None:
        """Take the folders for containers and logs, and the data folder, which applications may not read."""
        self._folder = folder
        self._hidden = hidden
        self._logs = logs

    def command(self, definition: Definition, port: int) -> Command:
        """Return the worker's process; nothing of this process's environment reaches it."""
        image = definition.image
        if image.folder is None:
            raise ValueError(f"The image {image.reference} is not unpacked on this machine.")
        home = self._folder / definition.name
        temporary = home / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        prefix = image.folder / "opt" / "app"
        path = path_for(prefix)
        environment = {
            "APP_READABLE_PATHS": os.pathsep.join(readable(prefix, path, [self._hidden])),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": path,
            "PYTHONPATH": str(image.folder / "opt" / "pipeline"),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(temporary),
            **image.environment,
            **definition.environment,
            **_health(port),
        }
        arguments = list(definition.command or WORKER)
        if arguments[0] == "python":
            arguments[0] = sys.executable
        return Command(
            name=definition.name,
            arguments=arguments,
            environment=environment,
            directory=home,
            log=self.log_of(definition),
            # An application that writes there would fail in the image, so it does here.
            read_only=prefix,
        )

    def clear(self, definition: Definition) -> None:
        """Remove the temporary files, as they go with a container."""
        shutil.rmtree(self._folder / definition.name / "tmp", ignore_errors=True)

    def clear_all(self) -> None:
        """Remove what the containers of an earlier run left that was killed, whatever they were called."""
        for left in self._folder.iterdir():
            shutil.rmtree(left, ignore_errors=True)

    def log_of(self, definition: Definition) -> Path:
        """Return the file that what the container prints is written to."""
        return self._logs / f"{definition.name}.log"

    def remove(self, definition: Definition) -> None:
        """Remove all that a container left that is not run again."""
        self.clear(definition)
        shutil.rmtree(self._folder / definition.name, ignore_errors=True)


class DockerEngine:
    """Runs the container with the Docker engine of this machine, in this machine's network."""

    def __init__(self, prefix: str, folder: Path, logs: Path) -> None:
        """Name containers with a prefix that no other data folder has."""
        self._folder = folder
        self._logs = logs
        self._prefix = prefix

    def command(self, definition: Definition, port: int) -> Command:
        """Return the client process that stays with the container and hands its signals on."""
        folder = self._folder / definition.name
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**definition.environment, **_health(port)}
        # Docker reads the values from its own environment, so that no secret is on a command line.
        names = [argument for name in sorted(environment) for argument in ("--env", name)]
        volumes = [argument for path, host in definition.mounts.items() for argument in ("--volume", f"{host}:{path}")]
        for host in definition.mounts.values():
            open_to_all(host)
        reference = definition.image.name if not definition.image.digest else f"sha256:{definition.image.digest}"
        arguments = ["docker", "run", "--rm", "--init", "--network", "host", "--name", self._name(definition)]
        return Command(
            name=definition.name,
            arguments=[*arguments, *names, *volumes, reference, *definition.command],
            environment={**os.environ, **environment},
            directory=folder,
            log=self.log_of(definition),
        )

    def clear(self, definition: Definition) -> None:
        """Remove the container, which outlives a client that was killed."""
        self._docker("rm", "--force", self._name(definition))

    def clear_all(self) -> None:
        """Remove what the containers of an earlier run left that was killed, whatever they were called."""
        found = self._docker("ps", "--all", "--quiet", "--filter", f"name=^{self._prefix}-").split()
        if found:
            self._docker("rm", "--force", *found)
        for left in self._folder.iterdir():
            shutil.rmtree(left, ignore_errors=True)

    def log_of(self, definition: Definition) -> Path:
        """Return the file that what the container prints is written to."""
        return self._logs / f"{definition.name}.log"

    def remove(self, definition: Definition) -> None:
        """Remove all that a container left that is not run again."""
        self.clear(definition)
        shutil.rmtree(self._folder / definition.name, ignore_errors=True)

    def _name(self, definition: Definition) -> str:
        return f"{self._prefix}-{definition.name}"

    def _docker(self, *arguments: str) -> str:
        command = ["docker", *arguments]
        return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60).stdout  # noqa: S603
