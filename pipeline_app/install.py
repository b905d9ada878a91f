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
import platform
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    import io

EXECUTABLE = 0o755
# The kernel reads so many bytes of a script to find its program. Source: execve(2)
FIRST_LINE_BYTES = 255
HEAD_BYTES = 64 * 1024
LINE_BYTES = 8 * 1024
TAIL_LINES = 20
# Kinds of files and of their parts. Source: elf(5), ET_EXEC, ET_DYN, PT_LOAD and PT_INTERP
EXECUTABLE_FILE, SHARED_OBJECT = 2, 3
LOADED, LOADER = 1, 3
# How long what the installer wrote last may take to come, once it has ended.
LAST_SECONDS = 1.0
# A person who sees nothing for so long wonders what is waited for.
NOTICE_SECONDS = 30.0

# What a terminal, or whoever reads from right to left, would act on instead of showing it.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_CARRIAGE_RETURNS = (
    "has lines that end in a carriage return, as on Windows, with which it cannot run. Save it with line feeds alone "
    "('dos2unix', or '* text eol=lf' in .gitattributes)."
)
_SHELLS = ("ash", "bash", "dash", "ksh", "mksh", "sh", "zsh")
# How files begin that people take for programs of Linux.
_FOREIGN = {
    b"MZ": "a program for Windows",
    b"\xca\xfe\xba\xbe": "a program for macOS",
    b"\xcf\xfa\xed\xfe": "a program for macOS",
    b"\xef\xbb\xbf#!": "a script with a byte order mark before '#!', which has to be saved as UTF-8 without",
    b"\xff\xfe": "saved as UTF-16, which has to be UTF-8",
    b"\xfe\xff": "saved as UTF-16, which has to be UTF-8",
    b"version https://git-lfs": "what Git LFS left in place of a file, which 'git lfs pull' brings",
}
# The processor by the number in an ELF header. Source: elf(5), and <elf.h>
_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_SAME = {"amd64": "x86_64", "arm64": "aarch64", "i686": "i386"}


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


def printable(text: str) -> str:
    """Return a text with every character written out that a terminal would obey instead of showing it.

    Line feeds and tabs stay. Others are shown as Python writes them, such as ``\\x1b`` for an escape.
    """
    return _UNSHOWN.sub(lambda match: ascii(match[0])[1:-1], text)


def check_program(program: Path, what: str, path: str) -> None:
    """See that a file can be run on Linux, without a shell, before a file is processed by it.

    Args:
        program: the file.
        what: what it is, to begin a sentence with.
        path: the PATH on which the program of a first line such as ``#!/usr/bin/env python3`` is looked for.

    Raises:
        InstallError: it cannot; the text says why and how to mend it.
    """
    with program.open("rb") as file:
        content = file.read(HEAD_BYTES)
        if content.startswith(b"\x7fELF"):
            _check_elf(file, what)
            return
    if content.startswith(b"#!"):
        _check_script(content, what, path)
    elif not (sys.platform == "darwin" and _foreign(content) == "a program for macOS"):
        kind = _foreign(content) or "neither a Linux program nor a script"
        raise InstallError(
            f"{what} is {kind}: a program must be for Linux, and a script begin with a line such as '#!/bin/sh'. "
            "Add that line, or set APP_INSTALLER_FILE."
        )


def _foreign(content: bytes) -> str | None:
    """Return what a file is that Linux does not run, where it can be told."""
    return next((kind for start, kind in _FOREIGN.items() if content.startswith(start)), None)


def _check_script(content: bytes, what: str, path: str) -> None:
    """See that the kernel finds the program of the first line: up to a blank, and all else is one argument.

    Source: execve(2), "Interpreter scripts"
    """
    first, _, rest = content.partition(b"\n")
    if b"\r" in first:
        raise InstallError(f"{what} {_CARRIAGE_RETURNS}")
    if len(first) > FIRST_LINE_BYTES:
        raise InstallError(
            f"{what} has a first line of {len(first)} bytes, of which Linux reads {FIRST_LINE_BYTES}. Shorten it, such "
            "as to '#!/usr/bin/env python3'."
        )
    name, _, argument = first[2:].replace(b"\t", b" ").strip(b" ").decode("utf-8", "replace").partition(" ")
    if not name:
        raise InstallError(f"{what} names no program in its first line. Begin it with a line such as '#!/bin/sh'.")
    if not name.startswith("/"):
        raise InstallError(
            f"{what} asks in its first line for {name!r}, which Linux looks for in the working folder alone. Write its "
            f"whole path, or '#!/usr/bin/env {name}'."
        )
    _require(name, what, path)
    if Path(name).name == "env":
        name = _asked_of_env(argument.strip(" "), what)
        _require(name, what, path)
    lines = rest.partition(b"\0")[0].split(b"\n")[:-1]
    # A text within a script may have such lines, and what follows the script in a file that unpacks itself.
    if Path(name).name in _SHELLS and 2 * sum(line.endswith(b"\r") for line in lines) > len(lines):
        raise InstallError(f"{what} {_CARRIAGE_RETURNS}")


def _asked_of_env(argument: str, what: str) -> str:
    """Return the program that ``env`` is to run, which gets all that follows it as one argument."""
    option = re.match(r"-[iv0]*S\s*|--split-string[= ]\s*", argument)
    if option is None:
        if argument and not argument.startswith("-") and "=" not in argument and " " not in argument:
            return argument
        raise InstallError(
            f"{what} asks in its first line for {argument!r}, which 'env' takes for the name of one program. Write "
            "'#!/usr/bin/env -S' before several words."
        )
    try:
        words = shlex.split(argument[option.end() :])
    except ValueError as error:
        raise InstallError(f"{what} has a first line that 'env -S' cannot split: {error}.") from error
    while words and (words[0].startswith("-") or "=" in words[0]):
        # These options have a value of their own. Source: env(1)
        del words[: 2 if words[0] in ("-C", "-u", "--chdir", "--unset") else 1]
    if not words:
        raise InstallError(f"{what} names no program for 'env' in its first line, such as '#!/usr/bin/env python3'.")
    return words[0]


def _require(name: str, what: str, path: str) -> None:
    """See that the program of a first line is here, and so is, where it is a script as well, its own."""
    found = shutil.which(name, path=path)
    if found is None:
        raise InstallError(
            f"{what} asks in its first line for {name!r}, which is not here. Correct that line, or have the "
            "installer put that program there."
        )
    # What may be run need not be readable.
    if not os.access(found, os.R_OK):
        return
    with Path(found).open("rb") as file:
        first = file.read(HEAD_BYTES).partition(b"\n")[0].split()
    if first and first[0].startswith(b"#!"):
        inner = (first[0][2:] or b"".join(first[1:2])).decode("utf-8", "replace")
        if shutil.which(inner, path=path) is None:
            raise InstallError(
                f"{what} asks in its first line for {name!r}, a script that asks for {inner!r}, which is not here. "
                "Have the installer put that program there."
            )


def _check_elf(file: BinaryIO, what: str) -> None:
    """See that a program in the format of Linux is whole, for this processor, and finds its loader. Source: elf(5)"""
    if sys.platform == "darwin":
        raise InstallError(f"{what} is a program for Linux, and this is macOS. Use --containers to run it here.")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(64)
    wide, order = head[4:5] == b"\2", ">" if head[5:6] == b"\2" else "<"
    cut_off = f"{what} is cut off: it has {size:,} bytes and names more. Make the artifact again from the whole file."
    if len(head) < (64 if wide else 52):
        raise InstallError(cut_off)
    kind, number = struct.unpack_from(f"{order}HH", head, 16)
    made, here = _MACHINES.get(number, f"machine {number}"), platform.machine().lower()
    here = _SAME.get(here, here)
    if made != here and (made, here) != ("i386", "x86_64"):
        raise InstallError(f"{what} is a program for {made}, and this is {here}. Build it for linux/{here}.")
    if kind not in (EXECUTABLE_FILE, SHARED_OBJECT):
        raise InstallError(f"{what} is an object file or a memory dump, not a program. Link it.")
    table = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 32 if wide else 28)[0]
    length, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
    file.seek(table)
    headers = file.read(length * count)
    end, loader = table + length * count, ""
    # Type, offset and size of each part of the file.
    layout, places = (f"{order}I4xQ16xQ", 40) if wide else (f"{order}II8xI", 20)
    for start in range(0, len(headers) - places + 1, max(length, places)):
        part, offset, bytes_of = struct.unpack_from(layout, headers, start)
        if part == LOADER and offset + bytes_of <= size:
            file.seek(offset)
            loader = file.read(bytes_of).rstrip(b"\0").decode("utf-8", "replace")
        elif part == LOADED:
            end = max(end, offset + bytes_of)
    if loader and not Path(loader).exists():
        raise InstallError(
            f"{what} asks for {loader!r}, which is not here: it was built for another Linux (such as Alpine with "
            "musl, or one of 32 bits). Build it for this one, or link it statically."
        )
    if end > size:
        raise InstallError(cut_off)


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
