"""No process of an application outlives its run, its keeper or the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from infra.local.processes.waiting import wait_until
from pipeline_app.worker.confinement import landlock
from pipeline_app.worker.marking import MARK
from pipeline_app.worker.process import Keeper, StepResult
from tests.worker.probes import allowed, run

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.execve(sys.executable, ["daemon", "-c", "import time; time.sleep(600)"], {})
    os._exit(0)
time.sleep(0.5)
"""


@pytest.mark.parametrize("confined", [True, False])
def test_a_daemon_that_hid_itself_ends_with_its_run_while_another_slot_is_busy(tmp_path: Path, confined: bool) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    given = [allowed(tmp_path / name) if confined else None for name in ("one", "two")]
    with Keeper(given[0]) as one, Keeper(given[1]) as two:
        for name in ("one", "two"):
            (tmp_path / name / "work").mkdir(exist_ok=True)
        results: list[StepResult] = []
        busy = threading.Thread(
            target=lambda: results.append(run(two, tmp_path / "two", "import time; time.sleep(3); print('x')")[0])
        )
        busy.start()
        _, text = run(one, tmp_path / "one", DAEMON)
        assert busy.is_alive()
        assert not psutil.pid_exists(int(text))
        busy.join()
    assert results == [StepResult(error=None, exit_code=0)]


# Each process starts the next one and ends, so that whoever looks at a list of them comes too late.
# Each process starts others as long as there is room, of which the kernel sets the bound where it is not root's.
BOMB = """
import os, time
most = len(os.listdir("/proc")) + 150
until = time.monotonic() + 60
if os.fork() == 0:
    os.setsid()
    while time.monotonic() < until:
        if len(os.listdir("/proc")) < most:
            os.fork()
    os._exit(0)
time.sleep(1)
"""

pytestmark = [
    pytest.mark.skipif(landlock.version() < landlock.SIGNALS_VERSION, reason="needs Linux 6.12 or later with Landlock"),
    pytest.mark.usefixtures("adopting"),
]


def test_processes_that_start_each_other_without_end_are_ended(tmp_path: Path) -> None:
    with Keeper(allowed(tmp_path)) as keeper:
        for _ in range(3):
            assert run(keeper, tmp_path, BOMB)[0] == StepResult(error=None, exit_code=0)
            # They were started in this folder, which nothing else is.
            assert [process for process in psutil.process_iter() if _folder(process) == tmp_path / "work"] == []


def _folder(process: psutil.Process) -> Path | None:
    try:
        return Path(process.cwd())
    except (psutil.Error, OSError):
        return None


@pytest.mark.parametrize("confined", [True, False])
def test_an_application_that_ends_its_keeper_costs_its_own_run(tmp_path: Path, confined: bool) -> None:
    given = allowed(tmp_path)
    with Keeper(given if confined else None) as keeper:
        source = (
            "import os, signal, subprocess, sys\n"
            "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True)\n"
            "os.kill(os.getppid(), signal.SIGKILL)\nsignal.pause()"
        )
        result, text = run(keeper, tmp_path, source)
        assert result.exit_code is None
        assert "the process that started it was ended, maybe by the application itself" in str(result.error)
        wait_until(lambda: not psutil.pid_exists(int(text)), 10)
        assert not psutil.pid_exists(int(text))
        assert run(keeper, tmp_path, "print('again')") == (StepResult(error=None, exit_code=0), "again\n")


def test_a_keeper_that_its_application_suspends_is_ended_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_app.worker.keeper_process.KEEPER_SECONDS", 1.0)
    monkeypatch.setattr("pipeline_app.worker.process.GRACE_SECONDS", 0.5)
    with Keeper(allowed(tmp_path)) as keeper:
        source = "import os, signal; os.kill(os.getppid(), signal.SIGSTOP); signal.pause()"
        result, _ = run(keeper, tmp_path, source, seconds=1)
        assert "it does not answer" in str(result.error)
        assert run(keeper, tmp_path, "print('again')")[1] == "again\n"


def test_when_the_worker_is_killed_nothing_of_an_application_is_left(tmp_path: Path) -> None:
    allowed(tmp_path)
    program = (
        "import sys; from pathlib import Path\n"
        "from pipeline_app.worker.process import Keeper\nfrom tests.worker.probes import allowed, run\n"
        "folder = Path(sys.argv[1])\nkeeper = Keeper(allowed(folder))\n"
        'run(keeper, folder, "import os, time; print(os.getpid(), flush=True); time.sleep(600)", 600)'
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parents[2]) as worker:
        log = tmp_path / "run.log"
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"), 30)
        application = int(log.read_text().removeprefix(MARK))
        keeper = psutil.Process(application).ppid()
        worker.send_signal(signal.SIGKILL)
    # This process is the next one that adopts what is left.
    os.waitpid(keeper, 0)
    assert not psutil.pid_exists(application)
