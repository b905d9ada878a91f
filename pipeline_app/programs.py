"""Whether a file is a program that Linux runs, found out before the first file of a customer depends on it.

Only the standard library is used, since this runs before anything is installed.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import struct
import sys
from pathlib import Path
from typing import BinaryIO

# The kernel reads so many bytes of a script to find its program. Source: execve(2)
FIRST_LINE_BYTES = 255
HEAD_BYTES = 64 * 1024
# Kinds of files and of their parts. Source: elf(5), ET_EXEC, ET_DYN, PT_LOAD and PT_INTERP
EXECUTABLE_FILE, SHARED_OBJECT = 2, 3
LOADED, LOADER = 1, 3

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
