"""Images on this machine: an installed prefix that a process runs from, or a real image of a Docker engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from infra.local.data.folder import DataFolder, digest_tree
from infra.local.processes.child import Command
from infra.local.processes.launcher import permit
from infra.local.processes.supervisor import Supervisor
from infra.packages.archive import file_sha256
from infra.packages.build_context import copy_context
from infra.packages.image_sources import INSTALLER_SOURCES, WORKER_SOURCES, source_files

# Where an installer may keep what it fetches for other data folders and for when there is no network.
CACHE: Final = Path(".build", "installers")

# What clients of package indexes take their certificates from, besides pip's own variables. Sources:
# https://docs.openssl.org/master/man3/SSL_CTX_load_verify_locations/, and
# https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification
CERTIFICATES: Final = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageError(RuntimeError):
    """The image cannot be made or used; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image; ``environment`` is what it sets, ``folder`` where its files are unless a Docker engine has it."""

    digest: str
    environment: Mapping[str, str]
    folder: Path | None
    name: str

    @property
    def reference(self) -> str:
        """The image by digest, as a registry would name it."""
        return f"{self.name}@sha256:{self.digest}"


@dataclass(frozen=True, kw_only=True)
class Build:
    """What the stack asks for: ``name`` without tag, the build arguments, and the Dockerfile below the project."""

    arguments: Mapping[str, str]
    dockerfile: str
    name: str
    platform: str
    tag: str

    @classmethod
    def read(cls, inputs: Mapping[str, Any]) -> Build:
        """Read the inputs of a ``docker.Image``."""
        build = inputs["build"]
        name, _, tag = inputs["imageName"].rpartition(":")
        return cls(
            arguments=build.get("args") or {},
            dockerfile=build.get("dockerfile") or "Dockerfile",
            name=name,
            platform=build.get("platform") or "",
            tag=tag,
        )


class Builder(Protocol):
    """Makes images of the project's worker and an unpacked artifact."""

    def build(self, build: Build, artifact: Path) -> Image:
        """Make an image, or return the one that was made of the same content.

        Raises:
            CommandError: the installer or the build failed; the text has the last lines of its output.
            ImageError: the image cannot be made here.
        """


class PrefixBuilder:
    """Does what the Dockerfile does in a private folder of the data folder."""

    def __init__(
        self, project: Path, data: DataFolder, supervisor: Supervisor, notice: Callable[[str], None] = lambda _: None
    ) -> None:
        """Take the project's folder, and who is told each line that an installer writes."""
        self._notice = notice
        self._data = data
        self._project = project
        self._supervisor = supervisor

    def build(self, build: Build, artifact: Path) -> Image:
        """Install the artifact and copy the worker, once for each content."""
        worker = source_files(self._project, WORKER_SOURCES)
        parts = {*source_files(self._project, INSTALLER_SOURCES), *worker}
        sources = {path.relative_to(self._project).as_posix(): file_sha256(path) for path in parts}
        content = [digest_tree(artifact), sources, dict(build.arguments), build.name, sys.version]
        recipe = json.dumps(content, sort_keys=True)
        digest = hashlib.sha256(recipe.encode()).hexdigest()
        folder = self._data.folder("images") / digest[:16]
        prefix = folder / "opt" / "app"
        environment = {"APP_PREFIX": str(prefix), **_kept(build.arguments)}
        image = Image(digest=digest, environment=environment, folder=folder, name=build.name)
        done = folder / "image.json"
        if done.exists():
            return image
        # The prefix may be written into what is installed, so it is made where it will stay, and counts when complete.
        unseal(prefix)
        shutil.rmtree(folder, ignore_errors=True)
        prefix.mkdir(parents=True)
        for source in worker:
            target = folder / "opt" / "pipeline" / source.relative_to(self._project)
            target.parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(source, target)
        self._supervisor.run(
            Command(
                name="installer",
                arguments=[sys.executable, "-m", "pipeline_app.install", str(artifact)],
                environment={
                    **network_settings(),
                    **build.arguments,
                    **environment,
                    "HOME": str(folder),
                    "PATH": path_for(prefix),
                    "RELEASE_VERSION": build.arguments.get("APP_RELEASE") or build.arguments.get("RELEASE_VERSION", ""),
                    "XDG_CACHE_HOME": str(self._project / CACHE),
                },
                directory=self._project,
                log=self._data.folder("logs") / "installer.log",
            ),
            on_line=self._notice,
        )
        record = asdict(image) | {"folder": str(folder), "tag": build.tag}
        done.write_text(json.dumps(record, indent=2), encoding="utf-8")
        return image


class DockerBuilder:
    """Builds the real image with the Docker engine of this machine; nothing is pushed."""

    def __init__(self, project: Path, data: DataFolder, supervisor: Supervisor) -> None:
        """See that there is an engine.

        Raises:
            ImageError: there is none.
        """
        self._data = data
        self._project = project
        self._supervisor = supervisor
        check_engine()

    def build(self, build: Build, artifact: Path) -> Image:
        """Send the worker's files and the artifact to the engine."""
        folder = self._data.folder("images", "docker")
        context, identifier = folder / "context.tar", folder / "image-id"
        former = identifier.read_text(encoding="ascii").strip() if identifier.exists() else None
        # Docker looks at the first block alone to tell a context from a Dockerfile, which a PAX header is too long for.
        with (
            tempfile.TemporaryDirectory(dir=folder) as temporary,
            tarfile.open(context, "w", format=tarfile.GNU_FORMAT) as archive,
        ):
            staged = Path(temporary, "context")
            copy_context(staged, self._project, source_files(self._project), artifact)
            for path in sorted(staged.iterdir()):
                archive.add(path, path.name, filter=_of_root)
        arguments = ["docker", "build", "--file", build.dockerfile, "--iidfile", str(identifier)]
        arguments += ["--tag", f"{build.name}:{build.tag}"]
        arguments += ["--platform", build.platform] if build.platform else []
        for name, value in build.arguments.items():
            arguments += ["--build-arg", f"{name}={value}"]
        # Without a value, Docker takes it from its own environment, so that no password is on a command line; and it
        # keeps these out of the image and its history.
        for name in _proxies():
            arguments += ["--build-arg", name]
        self._supervisor.run(
            Command(
                name="docker build",
                arguments=[*arguments, "-"],
                environment=os.environ,
                directory=folder,
                log=self._data.folder("logs") / "docker-build.log",
                standard_input=context,
            )
        )
        context.unlink()
        made = identifier.read_text(encoding="ascii").strip()
        if former not in (None, made):
            # Nobody else would ever remove it; the engine keeps one that is in use, and the layers that both have.
            command = ["docker", "image", "rm", str(former)]
            subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603
        digest = made.removeprefix("sha256:")
        return Image(digest=digest, environment={}, folder=None, name=build.name)


def check_engine() -> None:
    """See that a Docker engine answers.

    Raises:
        ImageError: none does.
    """
    if shutil.which("docker") is None:
        raise ImageError(
            "--containers needs the docker command, which is not on the PATH. Install it, or leave it out."
        )
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    answer = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)  # noqa: S603
    if answer.returncode:
        raise ImageError(f"--containers needs a Docker engine, and none answers: {answer.stderr.strip()}")


def path_for(prefix: Path) -> str:
    """Return the PATH of an image: its application, this Python, and the system."""
    return os.pathsep.join((str(prefix / "bin"), str(Path(sys.executable).parent), SYSTEM_PATH))


def _kept(arguments: Mapping[str, str]) -> dict[str, str]:
    # Of the build arguments, only the release is still in the environment when the image runs.
    return {name: value for name, value in arguments.items() if name == "RELEASE_VERSION"}


def network_settings() -> dict[str, str]:
    """Return what says in this environment how an installer fetches: proxies, package indexes and trusted certificates.

    A file of pip's settings that this user has is named, too, since an installer is given another home. An image gets
    the proxies alone: its Dockerfile declares none of the rest, whose paths would mean nothing in it.
    """
    named = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name in CERTIFICATES}
    # Source: https://pip.pypa.io/en/stable/topics/configuration/#location
    folders = ("~/Library/Application Support", os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    files = (os.path.join(os.path.expanduser(folder), "pip", "pip.conf") for folder in folders)
    file = next(filter(os.path.isfile, files), None)
    return {**({"PIP_CONFIG_FILE": file} if file else {}), **named, **_proxies()}


def _proxies() -> dict[str, str]:
    """Return the proxies of this environment, which an installer needs to fetch anything, and an image has none of."""
    names = ("ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
    return {name: os.environ[name] for each in names for name in (each, each.lower()) if os.environ.get(name)}


def unseal(prefix: Path) -> None:
    """Give its owner the permission to write again, so that the folder can be removed."""
    permit(prefix, lambda mode: mode | stat.S_IWUSR)


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    # As the docker command and the provider send it.
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
