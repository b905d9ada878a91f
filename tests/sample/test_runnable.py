"""A program that this machine cannot run is refused when it is installed, and any other is taken."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_app.install import install
from pipeline_app.programs import InstallError
from tests.sample.artifacts import put, settings

GOOD = b"#!/bin/sh\necho ran\n"
# As makeself and the installers of conda are: a script, and an archive behind it.
UNPACKS_ITSELF = GOOD + b"exit 0\n" + random.Random(1).randbytes(400_000)  # noqa: S311 -- any bytes.
ELF = Path(sys.executable).resolve().read_bytes()[:4096]
# A program of 32 bits with one part, which names its loader. Source: elf(5)
ELF32 = (
    b"\x7fELF\1\1\1".ljust(16, b"\0")
    + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    + struct.pack("<IIIIIIII", 3, 84, 0, 0, 21, 21, 4, 1)
    + b"/lib/no-such-ld.so.2\0"
)


def machine(number: int) -> bytes:
    return ELF[:18] + number.to_bytes(2, "little") + ELF[20:]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"#!/bin/sh\r\necho ran\r\n", "carriage return, as on Windows"),
        (b"#!/bin/sh\necho ran\r\n", "carriage return, as on Windows"),
        (b"#!/usr/bin/env python3\r\nprint()\r\n", "carriage return, as on Windows"),
        (b"#!/bin/sh\recho ran\recho x", "carriage return, as on Windows"),
        (b"#!/usr/bin/env bash\nif true\r\nthen echo ran\r\nfi\r\n", "carriage return, as on Windows"),
        (b"\xef\xbb\xbf#!/bin/sh\necho ran\n", "byte order mark before '#!'"),
        ("\ufeff#!/bin/sh\necho ran\n".encode("utf-16-le"), "saved as UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "'git lfs pull'"),
        (b"#!python3\nprint()\n", "'python3', which Linux looks for in the working folder alone"),
        (b"#!/usr/bin/env python3 -u\nprint()\n", "'python3 -u', which 'env' takes for the name of one program"),
        (b"#!/usr/bin/env A=1 sh\n", "'A=1 sh', which 'env' takes for the name of one program"),
        (b"#!/usr/bin/env\n", "'', which 'env' takes for the name of one program"),
        (b"#!/usr/bin/env -S -u HOME A=1\n", "names no program for 'env'"),
        (b"#!/" + b"./" * 150 + b"bin/sh\n", "first line of 309 bytes, of which Linux reads 255"),
        ("#!/bin/sh\u00a0-e\n".encode(), "which is not here"),
        (b"\x7fELF\2\1\1", "is cut off"),
        pytest.param(ELF[:16] + b"\1\0" + ELF[18:], "is an object file or a memory dump", id="object file"),
        pytest.param(ELF, "is cut off: it has 4,096 bytes", id="half a program"),
        pytest.param(ELF32, "asks for '/lib/no-such-ld.so.2', which is not here.*32 bits", id="32 bits"),
        (b"#!/opt/no/such/python\n", "asks in its first line for '/opt/no/such/python', which is not here"),
        (b"#!/usr/bin/env no-such-program\n", "asks in its first line for 'no-such-program', which is not here"),
        (b"#!/usr/bin/env -S no-such-program -x\n", "asks in its first line for 'no-such-program'"),
        (b"#!\n", "names no program in its first line"),
        (b"echo ran\n", "neither a Linux program nor a script"),
        (b"", "neither a Linux program nor a script"),
        (b"MZ\x90\0", "a program for Windows"),
        (b"\xcf\xfa\xed\xfe\7\0\0\1", "a program for macOS"),
        pytest.param(machine(243), "is a program for riscv64, and this is ", id="riscv"),
        pytest.param(
            ELF.replace(b"/ld-", b"/LD-", 1), r"asks for '[^']*/LD-[^']*', which is not here", id="another loader"
        ),
    ],
)
@pytest.mark.parametrize("way", ["without an installer", "as the installer", "left by the installer", "on the PATH"])
@pytest.mark.skipif(sys.platform != "linux", reason="The programs of the image are Linux's: run it there.")
def test_a_program_that_cannot_run_is_refused_when_it_is_installed(
    artifact: Path, tmp_path: Path, program: bytes, reason: str, way: str
) -> None:
    put(artifact, "tool.sh", program)
    left = b"#!/bin/sh\ninstall -m 755 tool.sh "
    put(artifact, "setup/run.sh", left + b'"$APP_PREFIX/bin/$APP_ALIAS"\n')
    changes = {"APP_INSTALLER_FILE": ""} if way == "without an installer" else {}
    if way == "as the installer":
        put(artifact, "setup/run.sh", program)
    elif way == "on the PATH":
        (tmp_path / "path").mkdir()
        put(artifact, "setup/run.sh", left + f"{tmp_path}/path/tool\n".encode())
        changes["PATH"] = f"{tmp_path}/path:/usr/bin:/bin"
    with pytest.raises(InstallError, match=reason):
        install(artifact, settings(tmp_path, **changes))


@pytest.mark.parametrize(
    "program",
    [
        GOOD,
        b"#! /bin/sh -e\necho ran\n",
        b"#!/usr/bin/env sh\necho ran\n",
        b"#!/usr/bin/env -S sh -e\necho ran\n",
        b"#!/usr/bin/env -S A=1 sh\necho ran\n",
        # Python takes either end of a line, but in the first. A machine need not have a python3 on its PATH.
        f"#!{sys.executable}\nprint('ran')\r\n".encode(),
        b"#!/usr/bin/env -S -u HOME sh -e\necho ran\n",
        b"#!/bin/sh\ncat >/dev/null <<X\nGET /\r\nHost: x\r\nX\necho ran\n",
        pytest.param(UNPACKS_ITSELF, id="unpacks itself"),
    ],
)
def test_a_program_that_runs_is_taken(artifact: Path, tmp_path: Path, program: bytes) -> None:
    put(artifact, "tool.sh", program)
    command = install(artifact, settings(tmp_path, APP_INSTALLER_FILE=""))
    assert subprocess.run([str(command)], capture_output=True, check=True, text=True).stdout.strip() == "ran"


def test_a_command_that_is_not_executable_is_told_as_that(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "tool.sh", GOOD)
    put(artifact, "setup/run.sh", b'#!/bin/sh\ninstall -m 644 tool.sh "$APP_PREFIX/bin/$APP_ALIAS"\n')
    with pytest.raises(InstallError, match=r"tool, which is not executable\. Have it run 'chmod 755'"):
        install(artifact, settings(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="The programs of the image are Linux's: run it there.")
def test_a_script_whose_program_is_a_script_without_its_own_is_refused(artifact: Path, tmp_path: Path) -> None:
    between = tmp_path / "between"
    put(tmp_path, between.name, "#!/no/such/python -u\n")
    between.chmod(0o755)
    put(artifact, "tool.sh", f"#!{between}\n")
    with pytest.raises(InstallError, match="a script that asks for '/no/such/python', which is not here"):
        install(artifact, settings(tmp_path, APP_INSTALLER_FILE=""))


@pytest.mark.skipif(sys.platform != "linux", reason="A program of Linux is looked at: run it there.")
def test_a_whole_program_is_taken(artifact: Path, tmp_path: Path) -> None:
    put(artifact, "tool.sh", Path("/bin/sh").read_bytes())
    assert install(artifact, settings(tmp_path, APP_INSTALLER_FILE="")).exists()


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        ('ln -s "$PWD/tool.sh" "$APP_PREFIX/bin/$APP_ALIAS"', r"as a link to '.*/tool\.sh', where no file is now"),
        ('mkdir "$APP_PREFIX/bin/$APP_ALIAS"', "as a folder"),
    ],
)
def test_a_command_that_is_no_file_is_told_as_what_it_is(
    artifact: Path, tmp_path: Path, left: str, reason: str
) -> None:
    put(artifact, "tool.sh", GOOD)
    put(artifact, "setup/run.sh", f"#!/bin/sh\n{left}\n")
    with pytest.raises(InstallError, match=reason):
        install(artifact, settings(tmp_path))
