"""Install the customer's application from its unpacked artifact, for the image and for the local run alike.

Run as ``python install.py ARTIFACT_DIR`` with these in the environment:

    APP_ALIAS           name of the command that must be there afterwards
    APP_FILE            the application's file, relative to the artifact
    APP_INSTALLER_FILE  the installer, relative to the artifact; empty where there is none
    APP_PREFIX          folder to install into
    APP_SETUP_ARGS      arguments of the installer, quoted as for a shell
    RELEASE_VERSION     version of this release

The installer is run without a shell, in a copy of the artifact, with the above in its environment and the Python that
runs this file first on its PATH. It must leave the command ``APP_ALIAS`` in ``$APP_PREFIX/bin`` or on the PATH. Where
there is no installer, ``APP_FILE`` itself becomes that command. Only the standard library is used, since this runs
before anything is installed.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path

EXECUTABLE = 0o755
TAIL_LINES = 20


class InstallError(Exception):
    """The application could not be installed; the text says why and how to mend it."""


def install(artifact: Path, environment: Mapping[str, str]) -> Path:
    """Install the application and return the path of its command.

    Raises:
        InstallError: a setting is missing or wrong, the installer failed, or the command is not there afterwards.
    """
    alias = _required(environment, "APP_ALIAS")
    if "/" in alias or alias in (".", ".."):
        raise InstallError(f"APP_ALIAS is {alias!r}; it must be the plain name of a command, without a slash.")
    prefix = Path(_required(environment, "APP_PREFIX")).absolute()
    if not artifact.is_dir():
        raise InstallError(f"There is no artifact folder {artifact}. Unpack the application's artifact there.")
    command = prefix / "bin" / alias
    command.parent.mkdir(exist_ok=True, parents=True)
    if not environment.get("APP_INSTALLER_FILE"):
        _copy_program(_inside(artifact, "APP_FILE", environment), command)
        return command
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    settings = {name: environment.get(name, "") for name in ("APP_FILE", "RELEASE_VERSION")}
    settings |= {"APP_ALIAS": alias, "APP_PREFIX": str(prefix), "PATH": path}
    _run_installer(artifact, {**environment, **settings})
    if os.access(command, os.X_OK) and command.is_file():
        return command
    if (found := shutil.which(alias, path=environment.get("PATH", os.defpath))) is not None:
        return Path(found)
    raise InstallError(
        f"The installer {environment['APP_INSTALLER_FILE']!r} ended well but left no command {alias!r}. It must put an "
        f"executable file of that name into {command.parent} or on the PATH."
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise InstallError(f"{name} is missing or empty. Set it in the environment.")
    return value


def _inside(artifact: Path, name: str, environment: Mapping[str, str]) -> Path:
    """Return the file of the artifact that a setting names."""
    value = _required(environment, name)
    path = artifact / value
    if not path.resolve().is_relative_to(artifact.resolve()):
        raise InstallError(f"{name} is {value!r}, which lies outside the artifact. Give a path inside it.")
    if not path.is_file():
        files = sorted(each.relative_to(artifact).as_posix() for each in artifact.rglob("*") if each.is_file())
        shown = ", ".join(files[:10]) + (", …" if len(files) > 10 else "") or "no file"
        raise InstallError(f"{name} is {value!r}, but the artifact has no such file. It has {shown}.")
    return path


def _copy_program(program: Path, command: Path) -> None:
    with program.open("rb") as file:
        start = file.read(4)
    if not start.startswith(b"#!") and start != b"\x7fELF":
        raise InstallError(
            f"APP_FILE {program.name!r} is neither a Linux program nor a script that begins with a line such as "
            "'#!/bin/sh'. Add that line, or set APP_INSTALLER_FILE."
        )
    shutil.copyfile(program, command)
    command.chmod(EXECUTABLE)


def _run_installer(artifact: Path, environment: dict[str, str]) -> None:
    arguments = environment.get("APP_SETUP_ARGS", "")
    try:
        setup = shlex.split(arguments)
    except ValueError as error:
        raise InstallError(f"APP_SETUP_ARGS is {arguments!r}, which cannot be split: {error}.") from error
    _inside(artifact, "APP_INSTALLER_FILE", environment)
    with tempfile.TemporaryDirectory(prefix="install-") as temporary:
        # The installer may write where it runs, and a zip may have lost the permission to execute it.
        folder = Path(temporary, "artifact").resolve()
        shutil.copytree(artifact, folder)
        installer = folder / environment["APP_INSTALLER_FILE"]
        installer.chmod(EXECUTABLE)
        try:
            process = subprocess.Popen(  # noqa: S603
                [str(installer), *setup],
                cwd=folder,
                env=environment,
                errors="replace",
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise InstallError(_not_startable(environment["APP_INSTALLER_FILE"], error)) from error
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        with process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                tail.append(f"    {line.rstrip()}\n")
        if process.returncode:
            raise InstallError(
                f"The installer {shlex.join([environment['APP_INSTALLER_FILE'], *setup])} ended with exit code "
                f"{process.returncode}. Its last lines:\n{''.join(tail) or '    (no output)'}"
            )


def _not_startable(installer: str, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return (
            f"The installer {installer!r} is no program that this machine can run. Begin a script with a line such as "
            "'#!/bin/sh'; a program must be for this operating system and processor."
        )
    if error.errno == errno.ENOENT:
        return (
            f"The installer {installer!r} asks in its first line for a program that is not here. Correct that line, "
            "and see that it does not end in a carriage return."
        )
    return f"The installer {installer!r} cannot be started: {error.strerror}."


def main() -> int:
    """Install from the folder that the command line names; return the exit code."""
    if len(sys.argv) != 2:
        print("Usage: python install.py ARTIFACT_DIR", file=sys.stderr)
        return 2
    try:
        command = install(Path(sys.argv[1]), os.environ)
    except InstallError as error:
        print(f"install.py: {error}", file=sys.stderr)
        return 1
    print(f"Installed {command}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
