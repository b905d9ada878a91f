"""What runs the one container of a group: a process from the image's folder, or the Docker engine of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from .images import Image, path_for
from .liveness import Probe
from .processes import Command
from .readable import readable

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
            "APP_HEALTH_PORT": str(port),
        }
        arguments = list(definition.command or WORKER)
        if arguments[0] == "python":
            arguments[0] = sys.executable
        return Command(
            name=definition.name,
            arguments=arguments,
            environment=environment,
            directory=home,
            log=self._logs / f"{definition.name}.log",
            # An application that writes there would fail in the image, so it does here.
            read_only=prefix,
        )

    def clear(self, definition: Definition) -> None:
        """Remove the temporary files, as they go with a container."""
        shutil.rmtree(self._folder / definition.name / "tmp", ignore_errors=True)


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
        environment = {**definition.environment, "APP_HEALTH_PORT": str(port)}
        # Docker reads the values from its own environment, so that no secret is on a command line.
        names = [argument for name in sorted(environment) for argument in ("--env", name)]
        volumes = [argument for path, host in definition.mounts.items() for argument in ("--volume", f"{host}:{path}")]
        for host in definition.mounts.values():
            # The image's user is not this one; in Azure, the share is open to every user of the container too.
            host.chmod(0o777)
        reference = definition.image.name if not definition.image.digest else f"sha256:{definition.image.digest}"
        arguments = ["docker", "run", "--rm", "--init", "--network", "host", "--name", self._name(definition)]
        return Command(
            name=definition.name,
            arguments=[*arguments, *names, *volumes, reference, *definition.command],
            environment={**os.environ, **environment},
            directory=folder,
            log=self._logs / f"{definition.name}.log",
        )

    def clear(self, definition: Definition) -> None:
        """Remove the container, which outlives a client that was killed."""
        command = ["docker", "rm", "--force", self._name(definition)]
        subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603

    def _name(self, definition: Definition) -> str:
        return f"{self._prefix}-{definition.name}"
