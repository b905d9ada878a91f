"""Running the application: exit codes, the deadline, and that nothing of it outlives the run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline_app.worker import keeper_process, orphans, process
from pipeline_app.worker.confinement.privileges import adopt_orphans
from pipeline_app.worker.marking import MARK
from pipeline_app.worker.process import Interrupted, Keeper, StepResult
from pipeline_app.worker.run_log import RunLog

# The keeper of the tests that need no other.
KEEPER: list[Keeper] = []


@pytest.fixture(autouse=True, scope="module")
def _keeper() -> Iterator[None]:
    adopt_orphans()
    with Keeper(None) as keeper:
        KEEPER.append(keeper)
        yield
        KEEPER.clear()


def run(
    tmp_path: Path,
    source: str,
    *,
    env: dict[str, str] | None = None,
    exceeded: Callable[[], str | None] = lambda: None,
    interrupted: Callable[[], bool] = lambda: False,
    keeper: Keeper | None = None,
    timeout_seconds: float = 30,
) -> tuple[StepResult, str]:
    with RunLog(tmp_path / "run.log") as log:
        try:
            result = (keeper or KEEPER[0]).run_step(
                [sys.executable, "-c", source],
                cwd=tmp_path,
                env=env or {},
                exceeded=exceeded,
                interrupted=interrupted,
                log=log,
                timeout_seconds=timeout_seconds,
            )
        finally:
            log.close()
    return result, printed(log)


def printed(log: RunLog) -> str:
    """Return what the application printed, by a log without lines of the worker's own."""
    lines = log.path.read_text().splitlines(keepends=True)
    assert all(line.startswith(MARK) for line in lines)
    return "".join(line.removeprefix(MARK) for line in lines)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_output_and_exit_code_are_kept(tmp_path: Path) -> None:
    result, text = run(tmp_path, "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(7)")
    assert result == StepResult(error="The application exited with code 7.", exit_code=7)
    assert text == "out\nerr\n"


def test_death_by_signal_is_named(tmp_path: Path) -> None:
    result, _ = run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert result.exit_code == -9
    assert result.error == "The application was ended by SIGKILL; it may have run out of memory."


def test_missing_command_is_an_error_that_names_it(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log") as log:
        result = KEEPER[0].run_step(
            ["no-such-app"],
            cwd=tmp_path,
            env={},
            exceeded=lambda: None,
            interrupted=lambda: False,
            log=log,
            timeout_seconds=1,
        )
    assert result.exit_code is None
    assert result.error == "The command 'no-such-app' could not be started: No such file or directory."


def test_deadline_ends_an_application_that_ignores_sigterm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.3)
    source = "import os,signal,time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"
    result, text = run(tmp_path, source, timeout_seconds=1)
    assert result.error == "The application ran longer than 1 seconds."
    assert not is_alive(int(text))


@pytest.mark.parametrize("new_session", [False, True])
def test_children_that_outlive_the_application_are_ended(tmp_path: Path, new_session: bool) -> None:
    source = (
        "import subprocess,sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'],"
        f" start_new_session={new_session}); print(p.pid)"
    )
    result, text = run(tmp_path, source)
    assert result.exit_code == 0
    assert not is_alive(int(text))


def test_no_zombie_is_left(tmp_path: Path) -> None:
    source = (
        "import subprocess,sys; [subprocess.Popen([sys.executable, '-c', 'pass'], start_new_session=True)"
        " for _ in range(5)]; import time; time.sleep(0.5)"
    )
    before = zombies()
    run(tmp_path, source)
    assert zombies() - before == set()


def test_a_keeper_that_just_starts_is_no_orphan(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another slot loses its keeper, and looks for what that left, while this one's is there and not yet known.
    start, looks = subprocess.Popen, []

    def start_slowly(*arguments: Any, **options: Any) -> Any:
        process = start(*arguments, **options)
        looks.append(threading.Thread(target=orphans.kill, args=(others, 5.0)))
        looks[0].start()
        looks[0].join(0.5)
        return process

    others = frozenset(orphans.children())
    monkeypatch.setattr("pipeline_app.worker.keeper_process.subprocess.Popen", start_slowly)
    keeper = keeper_process.KeeperProcess()
    looks[0].join()
    try:
        assert keeper._process.poll() is None
    finally:
        keeper.close()


def zombies() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE}


def test_another_slots_application_survives_the_clean_up(tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    results: list[StepResult] = []
    with Keeper(None) as other:
        source = "import time; time.sleep(1.5); print('done')"
        slow = threading.Thread(target=lambda: results.append(run(tmp_path / "slow", source, keeper=other)[0]))
        slow.start()
        while slow.is_alive():
            run(tmp_path, "import os; os.fork() or os.setsid()")
        slow.join()
    assert results == [StepResult(error=None, exit_code=0)]


def test_interruption_ends_the_application(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, "import os,time; print(os.getpid(), flush=True); time.sleep(60)", interrupted=lambda: True)
    assert not is_alive(int((tmp_path / "run.log").read_text().removeprefix(MARK) or -1))


def test_application_sees_neither_storage_nor_identity_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("APP_STORAGE_CONNECTION", "APP_STORAGE_CONNECTION__clientId", "IDENTITY_HEADER", "AZURE_CLIENT_ID"):
        monkeypatch.setenv(name, "private")
    monkeypatch.setenv("APP_STORAGE_CONTAINER", "pipeline-files")
    _, text = run(tmp_path, "import os; print(dict(os.environ))", env={"MODE": "fast"})
    assert "private" not in text
    assert "'MODE': 'fast'" in text
    assert "'APP_STORAGE_CONTAINER': 'pipeline-files'" in text
    assert os.environ["IDENTITY_HEADER"] == "private"


def test_a_limit_that_is_exceeded_ends_the_application_with_that_sentence(tmp_path: Path) -> None:
    result, text = run(
        tmp_path, "import os,time; print(os.getpid(), flush=True); time.sleep(60)", exceeded=lambda: "Too much."
    )
    assert result == StepResult(error="Too much.", exit_code=None)
    assert not is_alive(int(text or -1))


def test_an_application_over_its_limit_may_end_by_itself_within_the_grace(tmp_path: Path) -> None:
    source = (
        "import signal,sys,time; signal.signal(15, lambda *_: (print('tidied up'), sys.exit()));"
        "print('ready', flush=True); time.sleep(60)"
    )
    result, text = run(
        tmp_path, source, exceeded=lambda: "Too much." if "ready" in (tmp_path / "run.log").read_text() else None
    )
    assert (result.error, text) == ("Too much.", "ready\ntidied up\n")


def test_what_ran_before_the_application_is_left_alone(tmp_path: Path) -> None:
    """The worker, or whoever runs it in its own process, may have children of its own."""
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            result, _ = run(tmp_path, "pass")
            assert result.exit_code == 0
            assert other.poll() is None
        finally:
            other.kill()
