"""What a killed run leaves ends by itself or by the next run, and nothing else is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.local.processes import family
from infra.local.processes.family import MARKER, end, has_ended, marked
from infra.local.processes.supervisor import Supervisor
from tests.local.fakes import Eventually
from tests.local.processes.shells import is_alive, recorded_pids


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
        "import sys, time; from pathlib import Path; from infra.local.processes.child import Command\n"
        "from infra.local.processes.supervisor import Supervisor\n"
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


@pytest.mark.skipif(sys.platform != "linux", reason="The kernel tells of a parent's death on Linux alone.")
def test_a_child_of_a_killed_runner_may_still_write_and_save(tmp_path: Path, eventually: Eventually) -> None:
    script = 'trap "seq 50000 && touch saved; exit 0" TERM; touch up; while :; do sleep 0.05; done'
    program = (
        "import sys, time; from pathlib import Path; from infra.local.processes.child import Command\n"
        "from infra.local.processes.supervisor import Supervisor\n"
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
