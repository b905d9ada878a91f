"""Failed starts, killed runs and starting again: nothing is left behind, nothing is lost, and runs do not meet."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from infra.local.cloud.machine import OUTPUTS
from infra.local.commands.run import PROJECT
from infra.local.processes.family import has_ended
from infra.local.processes.waiting import wait_until
from tests.local.commands.starting import Start, is_busy
from tests.local.fakes import Eventually
from tests.local.runs import client_of, leftovers


def test_what_a_killed_run_left_is_ended_by_the_next_and_the_work_goes_on(
    start: Start, config: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    data = tmp_path / "data"
    first = start(data, *config)
    with client_of(first) as client:
        etag = client.upload("one.txt", b"slow")
        eventually(lambda: is_busy(first))
        # A suspended process does not see that the run is gone, so it is a real orphan.
        orphans = [first.children()[name] for name in first.children() if name.startswith("azurite")]
        assert len(orphans) == 3
        for orphan in orphans:
            orphan.suspend()
        first.process.kill()
        first.process.wait()
        eventually(lambda: not is_busy(first) and not (data / OUTPUTS).exists())
        assert all(orphan.is_running() for orphan in orphans)
    second = start(data, *config)
    with client_of(second) as client:
        assert client.receipt("one.txt", etag).status == "succeeded"
    assert all(has_ended(orphan) for orphan in orphans)
    assert "which a killed run had left" in second.text()
    assert second.end() == 0


def test_storage_that_dies_is_a_power_cut_and_the_next_run_goes_on(
    start: Start, config: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    data = tmp_path / "data"
    first = start(data, *config)
    with client_of(first) as client:
        # What was uploaded more than five seconds ago is on the emulator's disk.
        etag = client.upload("one.txt", b"slow")
        time.sleep(6)
        client.upload("two.txt", b"slow")
        eventually(lambda: is_busy(first))
        storage = [process for name, process in first.children().items() if name.startswith("azurite")]
        (victim,) = storage[0].children()
        victim.kill()
    assert first.process.wait(20) == 1
    assert "as in a power cut. Start the run again" in first.text()
    assert "Traceback" not in first.text()
    assert leftovers(data) == []
    assert not (data / OUTPUTS).exists()
    second = start(data, *config)
    with client_of(second) as client:
        assert client.receipt("one.txt", etag).status == "succeeded"
    assert second.end() == 0


def test_two_runs_side_by_side_do_not_meet(start: Start, config: list[str], tmp_path: Path) -> None:
    runs = [start(tmp_path / name, *config) for name in ("left", "right")]
    with client_of(runs[0]) as left, client_of(runs[1]) as right:
        assert left.container.url != right.container.url
        clients = {b"left": left, b"right content": right}
        etags = {content: client.upload("same.txt", content) for content, client in clients.items()}
        for content, client in clients.items():
            assert client.receipt("same.txt", etags[content]).input.size == len(content)
    assert [run.end() for run in runs] == [0, 0]


def test_a_second_run_over_the_same_data_is_refused_and_harms_nothing(
    start: Start, config: list[str], tmp_path: Path
) -> None:
    first = start(tmp_path / "data", *config)
    first.ready()
    second = subprocess.run(
        [sys.executable, "-m", "infra.local", "up", "--data", str(first.data)],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert "Another local run uses the data folder" in second.stdout
    with client_of(first) as client:
        assert client.receipt("one.txt", client.upload("one.txt", b"x")).status == "succeeded"


def test_a_failed_start_says_why_and_leaves_nothing(start: Start, config: list[str], tmp_path: Path) -> None:
    artifact = tmp_path / "broken"
    artifact.mkdir()
    (artifact / "install.sh").write_text("#!/bin/sh\necho the disk is made of cheese\nexit 3\n")
    changes = [f"artifactPath={artifact}", "appInstallerFile=install.sh"]
    run = start(tmp_path / "data", *config, *changes)
    assert run.process.wait(60) == 1
    assert "the disk is made of cheese" in run.text()
    assert wait_until(lambda: leftovers(run.data) == [], 5)
    assert not (run.data / OUTPUTS).exists()


def test_a_wrong_config_says_so_before_anything_runs(start: Start, tmp_path: Path) -> None:
    run = start(tmp_path / "data", "idleSeconds=soon")
    assert run.process.wait(60) == 1
    assert "idleSeconds" in run.text()
    assert "made " not in run.text()
