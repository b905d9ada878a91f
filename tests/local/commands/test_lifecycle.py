"""Starting, ending and starting again: nothing is left behind, nothing is lost, and runs do not meet."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.cloud.machine import OUTPUTS
from infra.local.commands.run import PROJECT
from infra.local.processes.family import has_ended
from infra.local.processes.waiting import wait_until
from tests.local.fakes import Eventually
from tests.local.runs import READY_SECONDS, STOP_SECONDS, Run, client_of, leftovers, obedient

Start = Callable[..., Run]

# Takes its standard input for its terminal, and becomes the program of its arguments.
LEADER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
# Tells what SIGHUP does, and that SIGTERM interrupts.
LISTENS = """
import os, signal
from infra.local.commands import interrupts
interrupts.listen()
print(signal.getsignal(signal.SIGHUP).name)
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture(autouse=True)
def hears_of_the_terminal() -> Iterator[None]:
    """Let runs hear of a closed terminal, also where the tests themselves were started so that they do not (nohup)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """Start runs that do not outlive the test."""

    def begin(data: Path, *config: str) -> Run:
        run = Run(data, *config)

        def end() -> None:
            if run.process.poll() is None:
                run.end()

        request.addfinalizer(end)
        return run

    return begin


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    """The config of the obedient application, with time enough for slow inputs."""
    return obedient(tmp_path, timeout_seconds=30)


def is_busy(run: Run) -> bool:
    return any("/bin/obedient" in line for line in leftovers(run.data))


def catches(run: Run, number: signal.Signals) -> bool:
    """Whether the run has a handler of its own for a signal."""
    text = Path(f"/proc/{run.process.pid}/status").read_text(encoding="utf-8")
    (caught,) = (line.split()[1] for line in text.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_everything_down_and_the_next_run_finishes_the_work(
    start: Start, config: list[str], number: signal.Signals, tmp_path: Path, eventually: Eventually
) -> None:
    data = tmp_path / "data"
    first = start(data, *config)
    with client_of(first) as client:
        done = client.receipt("three.txt", client.upload("three.txt", b"x"))
        etags = {name: client.upload(name, b"slow") for name in ("one.txt", "two.txt")}
        eventually(lambda: is_busy(first))
    assert first.end(number) == 0, first.text()
    assert leftovers(data) == []
    assert not (data / OUTPUTS).exists()
    second = start(data, *config)
    with client_of(second) as client:
        receipts = [client.receipt(name, etag) for name, etag in etags.items()]
        assert client.find_receipt("three.txt", done.input.etag) == done
    assert {receipt.status for receipt in receipts} == {"succeeded"}
    assert second.end() == 0


def test_a_second_signal_does_not_break_off_the_taking_down(start: Start, config: list[str], tmp_path: Path) -> None:
    run = start(tmp_path / "data", *config)
    run.ready()
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    assert run.end(signal.SIGINT) == 0
    assert leftovers(run.data) == []


@pytest.mark.parametrize("moment", ["start", "service"])
def test_a_terminal_that_is_closed_takes_everything_down_in_good_order(
    config: list[str], moment: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "infra.local", "up", "--data", str(data)]
    arguments += [item for pair in config for item in ("-c", pair)]
    # The process leads a session whose terminal this is, so that the kernel tells it of the terminal's end.
    run = subprocess.Popen(
        [sys.executable, "-c", LEADER, *arguments],
        cwd=PROJECT,
        start_new_session=True,
        stderr=theirs,
        stdin=theirs,
        stdout=theirs,
    )
    os.close(theirs)
    os.set_blocking(ours, False)

    def is_there(path: Path) -> bool:
        # Somebody reads what is shown, or it would wait for that.
        with contextlib.suppress(BlockingIOError, OSError):
            os.read(ours, 65536)
        return path.exists() or run.poll() is not None

    try:
        assert wait_until(lambda: is_there(data / (OUTPUTS if moment == "service" else ".lock")), READY_SECONDS)
        os.close(ours)
        assert run.wait(STOP_SECONDS) == 0
    finally:
        # Whatever failed, nothing of it outlives the test.
        run.terminate()
        run.wait(STOP_SECONDS)
    assert leftovers(data) == []
    assert not (data / OUTPUTS).exists()


def test_whoever_starts_it_by_nohup_keeps_it_when_the_terminal_is_closed() -> None:
    told = subprocess.run(
        ["nohup", sys.executable, "-c", LISTENS],
        capture_output=True,
        check=True,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert told.stdout.split() == ["SIG_IGN", "interrupted"]


@pytest.mark.parametrize("seconds", [0, 0.5, 0.7, 0.9, 1.1, 2, 3])
def test_a_signal_during_the_start_leaves_nothing(
    start: Start, config: list[str], seconds: float, tmp_path: Path, eventually: Eventually
) -> None:
    run = start(tmp_path / "data", *config)
    # Before the interpreter has come to the program, a signal ends it as it ends any other.
    eventually(lambda: catches(run, signal.SIGTERM))
    time.sleep(seconds)
    assert run.end(signal.SIGINT) == 0, run.text()
    assert leftovers(run.data) == []
    assert "Traceback" not in run.text()


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


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root makes a file system of its own: run the tests as root.")
@pytest.mark.parametrize("size", ["100k", "4m"])
def test_a_tiny_disk_is_told_and_ends_the_run(tmp_path: Path, size: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("This machine lets nobody mount a file system. Run the tests where one may.")
    try:
        run = Run(disk, *obedient(tmp_path))
        assert run.process.wait(60) == 1
        assert "is full. Make room there, or choose another folder with --data." in run.text()
        assert leftovers(disk) == []
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root makes a file system of its own: run the tests as root.")
def test_a_disk_that_somebody_fills_is_told_at_once_and_ends_the_run(
    config: list[str], tmp_path: Path, eventually: Eventually
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("This machine lets nobody mount a file system. Run the tests where one may.")
    try:
        run = Run(disk / "data", *config)
        run.ready()
        assert "disk: WARNING" not in run.text()
        with (disk / "other").open("wb") as other:
            os.posix_fallocate(other.fileno(), 0, shutil.disk_usage(disk).free - 30 * 2**20)
            eventually(lambda: f"The disk of {run.data} (mounted at {disk}) has only" in run.text())
            assert run.process.poll() is None
            os.posix_fallocate(other.fileno(), 0, other.seek(0, 2) + shutil.disk_usage(disk).free)
        assert run.process.wait(60) == 1
        assert f"{run.data} is full. Make room there, or choose another folder with --data." in run.text()
        assert leftovers(run.data) == []
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
