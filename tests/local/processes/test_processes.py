"""Supervision of processes, with real ones."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local.commands.run import PROJECT
from infra.local.data.folder import write_private
from infra.local.processes import family
from infra.local.processes import supervisor as processes
from infra.local.processes.family import MARKER, end, has_ended, marked
from infra.local.processes.launcher import permit
from infra.local.processes.log import ProcessLog, log_trouble
from infra.local.processes.supervisor import Command, CommandError, ShuttingDownError, Supervisor
from tests.local.fakes import Eventually
from tests.local.runs import may_mount


def shell(script: str, folder: Path, name: str = "shell") -> Command:
    return Command(
        name=name,
        arguments=["sh", "-c", script],
        environment={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SCRATCH": str(folder)},
        directory=folder,
        log=folder / f"{name}.log",
    )


def recorded_pids(folder: Path) -> list[int]:
    """Return the process ids that a script wrote, one a file."""
    return [int(path.read_text()) for path in folder.glob("*.pid") if path.read_text().strip()]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and not has_ended(psutil.Process(pid))


def test_output_goes_to_the_listener_and_to_the_log(
    supervisor: Supervisor, tmp_path: Path, eventually: Eventually
) -> None:
    lines: list[str] = []
    supervisor.start(shell("echo one; echo two >&2", tmp_path), on_line=lines.append)
    eventually(lambda: lines == ["one", "two"])
    eventually(lambda: (tmp_path / "shell.log").read_text() == "one\ntwo\n")


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("exec nosuchcommand", 127)])
def test_an_end_nobody_asked_for_is_told_with_its_exit_code(
    supervisor: Supervisor, tmp_path: Path, eventually: Eventually, script: str, code: int
) -> None:
    codes: list[int] = []
    supervisor.start(shell(script, tmp_path), on_exit=codes.append)
    eventually(lambda: codes == [code])
    assert supervisor.running() == []


def test_an_end_that_was_asked_for_is_not_told(supervisor: Supervisor, tmp_path: Path) -> None:
    codes: list[int] = []
    child = supervisor.start(shell("sleep 60", tmp_path), on_exit=codes.append)
    supervisor.stop(child)
    time.sleep(0.2)
    assert codes == []


def test_a_process_that_ignores_sigterm_is_killed_with_all_it_started(
    supervisor: Supervisor, tmp_path: Path, eventually: Eventually
) -> None:
    script = 'trap "" TERM; setsid sleep 60 & echo $! > a.pid; sleep 60 & echo $! > b.pid; wait; wait'
    child = supervisor.start(shell(script, tmp_path))
    eventually(lambda: len(recorded_pids(tmp_path)) == 2)
    start = time.monotonic()
    supervisor.stop(child, grace_seconds=0.5)
    assert time.monotonic() - start < 5
    assert not any(map(is_alive, [child.pid, *recorded_pids(tmp_path)]))


def test_what_a_dead_process_left_in_a_session_of_its_own_ends_with_it(
    supervisor: Supervisor, tmp_path: Path, eventually: Eventually
) -> None:
    script = "env -i PATH=$PATH setsid sleep 60 & echo $! > a.pid; kill -9 $$"
    child = supervisor.start(shell(script, tmp_path))
    assert child.ended.wait(10)
    eventually(lambda: not is_alive(recorded_pids(tmp_path)[0]))


def test_the_environment_is_the_given_one_alone(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAK", "1")
    lines: list[str] = []
    supervisor.run(shell("env", tmp_path), on_line=lines.append)
    names = {line.partition("=")[0] for line in lines}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"LANG", "PATH", "SCRATCH", MARKER}


def test_a_failed_command_is_told_with_its_last_lines(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"(?s)exit code 4.*the reason"):
        supervisor.run(shell("echo the reason; exit 4", tmp_path))


def test_close_ends_the_newest_first_and_refuses_new_ones(tmp_path: Path, eventually: Eventually) -> None:
    supervisor = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
    script = 'trap "echo $NAME >> $SCRATCH/order; exit 0" TERM; touch $NAME.up; while :; do sleep 0.05; done'
    for name in ("first", "second"):
        supervisor.start(shell(f"NAME={name}; {script}", tmp_path, name))
    eventually(lambda: len(list(tmp_path.glob("*.up"))) == 2)
    supervisor.close()
    assert (tmp_path / "order").read_text().split() == ["second", "first"]
    assert not (tmp_path / "processes.json").exists()
    with pytest.raises(ShuttingDownError):
        supervisor.start(shell("true", tmp_path))


def test_a_kill_gives_nobody_the_time_to_end_in_order_and_leaves_nothing(
    tmp_path: Path, eventually: Eventually
) -> None:
    made = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
    script = "trap 'touch ended-in-order; exit' TERM; sh -c 'echo $$ >a.pid; sleep 60' & echo $$ >b.pid; wait"
    made.start(shell(script, tmp_path))
    eventually(lambda: len(recorded_pids(tmp_path)) == 2)
    made.kill()
    with pytest.raises(ShuttingDownError):
        made.start(shell("true", tmp_path))
    made.close()
    assert not any(is_alive(pid) for pid in recorded_pids(tmp_path))
    assert not (tmp_path / "ended-in-order").exists()
    assert not (tmp_path / "processes.json").exists()


def test_only_own_orphans_are_ended(tmp_path: Path, eventually: Eventually) -> None:
    """Neither a stranger that now has a recorded process id nor one that merely looks alike is touched."""
    environment = {"PATH": os.environ["PATH"]}
    marker = "0123456789abcdef"
    with (
        subprocess.Popen(["sleep", "60"], env={**environment, MARKER: marker}, start_new_session=True) as orphan,
        subprocess.Popen(["sleep", "60"], env={**environment, MARKER: "other"}, start_new_session=True) as alike,
        subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as stranger,
    ):
        eventually(lambda: all(psutil.Process(child.pid).name() == "sleep" for child in (orphan, alike, stranger)))
        records = [
            {
                "name": "orphan",
                "marker": marker,
                "pid": orphan.pid,
                "create_time": psutil.Process(orphan.pid).create_time(),
            },
            {"name": "gone", "marker": "fedcba", "pid": stranger.pid, "create_time": 1.0},
        ]
        (tmp_path / "processes.json").write_text(json.dumps(records))
        supervisor = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
        assert supervisor.end_orphans() == ["orphan"]
        supervisor.close()
        assert orphan.poll() is not None
        assert alike.poll() is None
        assert stranger.poll() is None
        alike.kill()
        stranger.kill()


@pytest.mark.parametrize("trap", ["", "trap : TERM; "], ids=["obedient", "stubborn"])
@pytest.mark.skipif(sys.platform != "linux", reason="The kernel tells of a parent's death on Linux alone.")
def test_children_of_a_killed_runner_end_by_themselves_and_take_its_beacon_along(
    tmp_path: Path, eventually: Eventually, trap: str
) -> None:
    program = (
        "import sys, time; from pathlib import Path; from infra.local.processes.supervisor import Command, Supervisor\n"
        "folder = Path(sys.argv[1]); supervisor = Supervisor(folder / 'processes.json', folder / 'beacon')\n"
        "script = 'env -i PATH=$PATH setsid sleep 60 & echo $! > a.pid; echo $$ > b.pid; while :; do wait; done'\n"
        "command = ['sh', '-c', sys.argv[3] + script]\n"
        "supervisor.start(Command(name='x', arguments=command, environment={'PATH': sys.argv[2]}, directory=folder))\n"
        "time.sleep(60)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), os.environ["PATH"], trap])
    eventually(lambda: len(recorded_pids(tmp_path)) == 2)
    (tmp_path / "beacon").touch()
    runner.kill()
    runner.wait()
    eventually(lambda: not any(map(is_alive, recorded_pids(tmp_path))))
    eventually(lambda: not (tmp_path / "beacon").exists())


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


@pytest.mark.skipif(sys.platform != "linux", reason="The kernel tells of a parent's death on Linux alone.")
def test_a_child_of_a_killed_runner_may_still_write_and_save(tmp_path: Path, eventually: Eventually) -> None:
    script = 'trap "seq 50000 && touch saved; exit 0" TERM; touch up; while :; do sleep 0.05; done'
    program = (
        "import sys, time; from pathlib import Path; from infra.local.processes.supervisor import Command, Supervisor\n"
        "folder = Path(sys.argv[1]); supervisor = Supervisor(folder / 'processes.json', folder / 'beacon')\n"
        "supervisor.start(Command(name='x', arguments=['sh', '-c', sys.argv[3]], environment={'PATH': sys.argv[2]},\n"
        "    directory=folder))\n"
        "time.sleep(60)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), os.environ["PATH"], script])
    eventually((tmp_path / "up").exists)
    runner.kill()
    runner.wait()
    eventually((tmp_path / "saved").exists)


@pytest.mark.timeout(60)
def test_a_process_that_nobody_takes_note_of_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, eventually: Eventually
) -> None:
    """The first process of a container may leave what was handed to it as it is, and that is never gone."""
    monkeypatch.setattr(family, "GRACE_SECONDS", 3600)
    script = (
        "import os, subprocess, sys\n"
        "environment = os.environ | {sys.argv[1]: sys.argv[2]}\n"
        "print(subprocess.Popen(['sleep', '3600'], env=environment).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    careless = subprocess.Popen(
        [sys.executable, "-c", script, MARKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert careless.stdout is not None
    orphan = psutil.Process(int(careless.stdout.readline()))
    # The kernel shows the environment of a program a moment after it has begun.
    eventually(lambda: orphan in marked(str(tmp_path)))
    end({orphan})
    assert orphan.is_running()
    assert has_ended(orphan)
    careless.communicate()


class FullDisk:
    """Refuses writes once it is full, and keeps what was told of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.told: list[OSError] = []
        write = write_private

        def attempt(path: Path, text: str) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            write(path, text)

        monkeypatch.setattr(processes, "write_private", attempt)


def test_a_full_disk_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    made = Supervisor(tmp_path / "processes.json", tmp_path / "beacon", disk.told.append)
    ended, other = threading.Event(), made.start(shell("exec sleep 600", tmp_path))
    short = made.start(shell("sleep 0.3", tmp_path, "short"), on_exit=lambda _: ended.set())
    disk.full = True
    assert short.ended.wait(10)
    assert ended.wait(10)
    assert disk.told[0].errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):
        made.start(shell("exec sleep 600", tmp_path))
    assert made.running() == [other]
    closing = threading.Thread(target=made.close, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()
    assert other.ended.is_set()


def test_a_process_that_cannot_be_recorded_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    made = Supervisor(tmp_path / "processes.json", tmp_path / "beacon", disk.told.append)
    popen = subprocess.Popen

    def fill(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        disk.full = True
        return popen(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", fill)
    with pytest.raises(OSError, match="No space left"):
        made.start(shell("exec sleep 601.5", tmp_path))
    assert made.running() == []
    made.close()
    assert not [each for each in psutil.process_iter(["cmdline"]) if "601.5" in (each.info["cmdline"] or [])]


def test_a_log_and_a_listener_that_the_disk_refuses_keep_no_process_from_going_on(tmp_path: Path) -> None:
    told: list[OSError] = []
    made = Supervisor(tmp_path / "processes.json", tmp_path / "beacon", told.append)
    (tmp_path / "file").write_text("")

    def refuse(line: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # More than a pipe holds, so that the process would wait if nobody read it; and a folder that cannot be made.
    chatty = dataclasses.replace(shell("seq 100000", tmp_path), log=tmp_path / "file" / "log.txt")
    child = made.start(chatty, on_line=refuse)
    try:
        assert child.ended.wait(20)
        assert child.output_read.wait(20)
    finally:
        made.close()
    assert {type(error) for error in told} >= {OSError, FileExistsError}


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


def test_no_terminal_obeys_the_log_of_a_process(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "log", log_trouble)
    log.emit(logging.makeLogRecord({"msg": "\x1b[31mred \u202e"}))
    log.close()
    assert (tmp_path / "log").read_text() == "\\x1b[31mred \\u202e\n"
