"""What the launcher of a command sees to: one signal, and a folder that the command cannot write to."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local.commands.run import PROJECT
from infra.local.processes.launcher import permit
from infra.local.processes.supervisor import Supervisor
from tests.local.fakes import Eventually
from tests.local.processes.shells import shell
from tests.local.runs import may_mount


@pytest.mark.skipif(sys.platform != "linux", reason="Signals are handed on by the launcher, which is for Linux alone.")
def test_a_command_sees_one_signal_however_often_it_is_asked_to_end(
    supervisor: Supervisor, tmp_path: Path, eventually: Eventually
) -> None:
    script = 'trap "echo asked >> asked" TERM; touch up; while [ ! -e go ]; do sleep 0.05; done'
    child = supervisor.start(shell(script, tmp_path))
    eventually((tmp_path / "up").exists)
    for _ in range(3):
        child.process.terminate()
        time.sleep(0.2)
    (tmp_path / "go").touch()
    assert child.ended.wait(10)
    assert (tmp_path / "asked").read_text() == "asked\n"


def closed_folder(tmp_path: Path) -> Path:
    """Return a folder with a program that only its owner may change, and a link out of it."""
    program = tmp_path / "app" / "bin" / "tool"
    program.parent.mkdir(parents=True)
    program.write_text("x")
    program.chmod(0o755)
    (tmp_path / "app" / "link").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "app"


def confined(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process that is confined first; one that may not mount uses the modes of files."""
    code = (
        "import os, pathlib, sys; from infra.local.processes import launcher; "
        "sys.argv[3] == 'no mount' and setattr(launcher, 'mount_read_only', lambda _: os.listdir('/no/such/folder')); "
        "launcher.confine(pathlib.Path(sys.argv[1])); os.execvp('sh', ['sh', '-c', sys.argv[2]])"
    )
    command = [sys.executable, "-c", code, str(folder), script.split("#")[0], script.partition("#")[2].strip()]
    return subprocess.run(command, capture_output=True, check=False, cwd=PROJECT, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="Mounts of one process are Linux's.")
@pytest.mark.parametrize("way", ["mount", "no mount"])
def test_a_confined_process_reads_a_folder_and_does_not_write_there(tmp_path: Path, way: str) -> None:
    folder = closed_folder(tmp_path)
    for attempt in ("echo more >> bin/tool", "touch bin/new", "rm bin/tool", "mv bin bin2"):
        assert confined(folder, f"cd {folder} && {attempt} #{way}").returncode, attempt
    assert confined(folder, f"cat {folder}/bin/tool #{way}").stdout == "x"
    assert confined(folder, f"echo more > {tmp_path}/beside #{way}").returncode == 0
    assert sorted(path.name for path in folder.rglob("*")) == ["bin", "link", "tool"]
    permit(folder, lambda mode: mode | 0o200)
    assert (folder / "bin" / "tool").read_text() == "x"
    assert (folder / "bin" / "tool").stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(not may_mount(), reason="This machine lets nobody mount for a process alone; elsewhere it does.")
def test_what_a_confined_process_copies_is_its_own(tmp_path: Path) -> None:
    folder = closed_folder(tmp_path)
    done = confined(folder, f"cp {folder}/bin/tool {tmp_path}/copy && echo more >> {tmp_path}/copy")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "copy").read_text() == "xmore\n"
    # Nobody else sees the mount.
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    (folder / "bin" / "new").touch()
