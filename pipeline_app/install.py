"""Install the customer's application from its unpacked artifact, for the image and for the local run alike.

Run as ``python -m pipeline_app.install ARTIFACT_DIR`` with these in the environment:

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
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline_app.printable import printable
from pipeline_app.programs import InstallError, check_program

if TYPE_CHECKING:
    import io

EXECUTABLE = 0o755
LINE_BYTES = 8 * 1024
TAIL_LINES = 20
# How long what the installer wrote last may take to come, once it has ended.
LAST_SECONDS = 1.0
# A person who sees nothing for so long wonders what is waited for.
NOTICE_SECONDS = 30.0


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
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    if not environment.get("APP_INSTALLER_FILE"):
        _copy_program(_inside(artifact, "APP_FILE", environment), command, path)
        return command
    settings = {name: environment.get(name, "") for name in ("APP_FILE", "RELEASE_VERSION")}
    settings |= {"APP_ALIAS": alias, "APP_PREFIX": str(prefix), "PATH": path}
    _run_installer(artifact, {**environment, **settings})
    if command.is_file():
        if not os.access(command, os.X_OK):
            raise InstallError(
                f"The installer left {command}, which is not executable. Have it run 'chmod 755' on that file."
            )
        check_program(command, f"The command {alias!r} that the installer left", path)
        return command
    if command.is_symlink():
        raise InstallError(
            f"The installer left {command} as a link to {os.readlink(command)!r}, where no file is now. The folder "
            "that the installer runs in is removed with all in it, so have it copy the file instead."
        )
    if command.is_dir():
        raise InstallError(f"The installer left {command} as a folder. It must be an executable file.")
    if (found := shutil.which(alias, path=environment.get("PATH", os.defpath))) is not None:
        check_program(Path(found), f"The command {alias!r} that the installer left", path)
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


def _copy_program(program: Path, command: Path, path: str) -> None:
    check_program(program, f"APP_FILE {program.name!r}", path)
    shutil.copyfile(program, command)
    command.chmod(EXECUTABLE)


def _run_installer(artifact: Path, environment: dict[str, str]) -> None:
    arguments = environment.get("APP_SETUP_ARGS", "")
    try:
        setup = shlex.split(arguments)
    except ValueError as error:
        raise InstallError(f"APP_SETUP_ARGS is {arguments!r}, which cannot be split: {error}.") from error
    source = _inside(artifact, "APP_INSTALLER_FILE", environment)
    what = f"The installer {environment['APP_INSTALLER_FILE']!r}"
    check_program(source, what, environment["PATH"])
    # What it leaves running may write there while it is removed.
    with tempfile.TemporaryDirectory(prefix="install-", ignore_cleanup_errors=True) as temporary:
        # The installer may write where it runs, and a zip may have lost the permission to execute it.
        folder = Path(temporary, "artifact").resolve()
        shutil.copytree(artifact, folder)
        installer = folder / environment["APP_INSTALLER_FILE"]
        installer.chmod(EXECUTABLE)
        try:
            process = subprocess.Popen(  # noqa: S603
                [str(installer), *setup],
                cwd=folder,
                bufsize=0,
                env=environment,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise InstallError(_not_startable(environment["APP_INSTALLER_FILE"], error)) from error
        tail = _follow(process, what)
        if process.returncode:
            raise InstallError(
                f"The installer {shlex.join([environment['APP_INSTALLER_FILE'], *setup])} ended with exit code "
                f"{process.returncode}. Its last lines:\n{''.join(tail) or '    (no output)'}"
            )


def _follow(process: subprocess.Popen[bytes], what: str) -> deque[str]:
    """Show what the installer writes until it has ended; return its last lines.

    A process that it left behind may hold its output open for ever, so the end of the output is not waited for.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def show(lines: list[bytes]) -> None:
        for line in lines:
            text = printable(line.decode("utf-8", "replace").rstrip("\r"))
            print(text, flush=True)
            tail.append(f"    {text}\n")

    source, rest = cast("io.FileIO", process.stdout), b""
    began = noticed = time.monotonic()
    ended: float | None = None
    left_behind = True
    while ended is None or time.monotonic() < ended + LAST_SECONDS:
        if select.select([source], [], [], LAST_SECONDS / 10)[0]:
            data = source.read(65536)
            *lines, rest = (rest + data).split(b"\n")
            # What shows its progress may never end a line.
            while len(rest) > LINE_BYTES:
                lines.append(rest[:LINE_BYTES])
                rest = rest[LINE_BYTES:]
            show(lines)
            noticed = time.monotonic()
            if not data:
                left_behind = False
                break
        elif time.monotonic() > noticed + NOTICE_SECONDS:
            noticed = time.monotonic()
            print(f"{what} has been running for {noticed - began:.0f} seconds; it is waited for.", flush=True)
        if ended is None and process.poll() is not None:
            ended = time.monotonic()
    show([rest] if rest else [])
    if left_behind:
        print(
            f"{what} has ended and left a process behind, which is not waited for. It ends with the installation: "
            "what your application needs while it runs, it has to start itself.",
            flush=True,
        )
    source.close()
    process.wait()
    return tail


def _not_startable(installer: str, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return (
            f"The installer {installer!r} is no program that this machine can run. Begin a script with a line such as "
            "'#!/bin/sh'; a program must be for this operating system and processor."
        )
    return f"The installer {installer!r} cannot be started: {error.strerror}."


def main() -> int:
    """Install from the folder that the command line names; return the exit code."""
    if len(sys.argv) != 2:
        print("Usage: python -m pipeline_app.install ARTIFACT_DIR", file=sys.stderr)
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
