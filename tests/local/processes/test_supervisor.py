"""Processes are started, told of, and ended with everything that they started, with real ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from infra.local.processes.family import MARKER
from infra.local.processes.supervisor import CommandError, ShuttingDownError, Supervisor
from tests.local.fakes import Eventually
from tests.local.processes.shells import is_alive, recorded_pids, shell


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
