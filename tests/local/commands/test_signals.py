"""A signal or the end of a terminal takes a run down in good order, whenever it comes."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.cloud.machine import OUTPUTS
from infra.local.commands.run import PROJECT
from infra.local.processes.waiting import wait_until
from tests.local.commands.starting import Start, is_busy
from tests.local.fakes import Eventually
from tests.local.runs import READY_SECONDS, STOP_SECONDS, Run, client_of, leftovers

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


HELD_BACK = """
import os, signal
from infra.local.commands.interrupts import held_back, listen

listen()
try:
    with held_back():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        print("whole")
    print("never")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_waits_until_what_cannot_be_interrupted_is_done() -> None:
    """Within an import it could be swallowed, with the lock of all imports held for ever."""
    told = subprocess.run([sys.executable, "-c", HELD_BACK], capture_output=True, check=True, cwd=PROJECT, text=True)
    assert told.stdout.split() == ["whole", "interrupted"]


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
