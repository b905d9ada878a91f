"""Files that make the application misbehave: each costs itself alone, and says why in its receipt."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
import threading
import time

import psutil
import pytest

from pipeline_app.worker import process, watching
from pipeline_app.worker.confinement.privileges import adopt_orphans
from tests.worker.world import INPUT, World

GOOD = "open(f'{output}/result', 'w').write('fine')"
MIB = 1024 * 1024

# Each is the content of an input, which the application runs; ``output`` is its output folder.
POISON = {
    "crash": ("sys.exit(3)", r"The application exited with code 3\."),
    "deep folders": (
        "[(os.mkdir('d'), os.chdir('d')) for _ in range(1100)]; sys.exit(1)",
        r"The application exited with code 1\.",
    ),
    "deep results": (
        "os.chdir(output); [(os.mkdir('d' * 100), os.chdir('d' * 100)) for _ in range(100)]",
        r"The application's output folder cannot be read: .*File name too long.*",
    ),
    "disk": (
        "f = open(f'{output}/x', 'wb')\nwhile True: f.write(bytes(2**20)); f.flush(); time.sleep(0.01)",
        r"The application's files take at least [\d.]+ MiB; an attempt may take 20\.0 MiB of disk, .*"
        r"scratchGib \(APP_SCRATCH_BYTES\)\.",
    ),
    "disk, and exits at once": (
        "open('tmp/x', 'wb').write(bytes(30 * 2**20))",
        r"The application's files take at least [\d.]+ MiB; an attempt may take 20\.0 MiB of disk, .*",
    ),
    "disk, and ignores SIGTERM": (
        "signal.signal(15, signal.SIG_IGN); open(f'{output}/x', 'wb').write(bytes(30 * 2**20)); time.sleep(60)",
        r"The application's files take at least [\d.]+ MiB; .*",
    ),
    "files": (
        "n = 0\nwhile True: open(f'{output}/{n}', 'w'); n += 1",
        r"The application wrote at least \d+ result files; at most 100 are taken\. .*"
        r"maxOutputFiles \(APP_MAX_OUTPUT_FILES\)\.",
    ),
    "files, and exits at once": (
        "[open(f'{output}/{n}', 'w') for n in range(101)]",
        r"The application wrote at least 101 result files; at most 100 are taken\. .*",
    ),
    "hang that ignores SIGTERM": (
        "signal.signal(15, signal.SIG_IGN); time.sleep(60)",
        r"The application ran longer than 1 seconds\.",
    ),
    "memory": (
        "resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); bytearray(2**30)",
        r"The application exited with code 1\.",
    ),
    "SIGKILL": (
        "os.kill(os.getpid(), 9)",
        r"The application was ended by SIGKILL; it may have run out of memory\.",
    ),
    "sparse file": (
        "f = open(f'{output}/x', 'wb'); f.truncate(2**40); time.sleep(60)",
        r"The application's files take at least 1,048,576\.\d MiB; .*",
    ),
    "its own folder": ("import shutil; shutil.rmtree(os.getcwd()); sys.exit(1)", r".* exited with code 1\."),
    "its own log": ("os.remove('run.log'); os.symlink('/etc/passwd', 'run.log'); sys.exit(1)", r".* with code 1\."),
}


@pytest.fixture
def poisoned(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a worker whose application runs its input as Python."""
    adopt_orphans()
    monkeypatch.setattr(watching, "MIN_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(process, "EXCESS_GRACE_SECONDS", 0.3)
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.3)
    world.settings = dataclasses.replace(world.settings, max_attempts=1, max_output_files=100, scratch_bytes=20 * MIB)
    source = "import os, resource, signal, subprocess, sys, time; output = sys.argv[2]; exec(open(sys.argv[1]).read())"
    world.app(f'exec {sys.executable} -c "{source}" "$@"')
    return world


@pytest.mark.parametrize("kind", POISON)
def test_poison_ends_in_a_failed_receipt_with_the_reason_and_the_next_file_is_unharmed(
    poisoned: World, kind: str
) -> None:
    source, error = POISON[kind]
    if kind.startswith("hang"):
        config = poisoned.folder / "runtime.json"
        config.write_text('{"timeout_seconds": 1}')
        poisoned.settings = dataclasses.replace(poisoned.settings, runtime_config=config)
    poisoned.upload(source.encode())
    poisoned.process()
    receipt = poisoned.receipt()
    assert receipt.status == "failed"
    assert re.fullmatch(error, receipt.error or "", re.DOTALL), receipt.error
    assert receipt.outputs == ()
    assert "attempt 1 started" in poisoned.log
    assert "root:" not in poisoned.log
    poisoned.settings = dataclasses.replace(poisoned.settings, runtime_config=None)
    poisoned.upload(GOOD.encode())
    poisoned.process()
    assert (poisoned.receipt().status, len(poisoned.receipt().outputs)) == ("succeeded", 1)


def test_files_up_to_the_limit_are_results(poisoned: World) -> None:
    poisoned.upload(b"[open(f'{output}/{n}', 'w') for n in range(100)]; time.sleep(0.5)")
    poisoned.process()
    assert len(poisoned.receipt().outputs) == 100


@pytest.mark.parametrize("environment", ["os.environ", "{}", "{'OTHER': '1'}"])
def test_no_child_survives_however_it_detached_itself(poisoned: World, environment: str) -> None:
    # Each child leaves the group, is orphaned, ignores SIGTERM, and holds the application's output open.
    child = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.fork() and os._exit(0); time.sleep(600)"
    poisoned.upload(
        f"for _ in range(10): subprocess.Popen([sys.executable, '-c', {child!r}, 'orphan'], "
        f"env={environment}, start_new_session=True)\ntime.sleep(1)".encode()
    )
    started = time.monotonic()
    poisoned.process()
    assert time.monotonic() - started < 60  # The children would hold the output open for 600.
    assert poisoned.receipt().status == "succeeded"
    assert running_with("orphan") == []


def running_with(argument: str) -> list[int]:
    """The processes below this one that run with an argument; one that has ended has no command line any more."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if argument in child.cmdline():
                found.append(child.pid)
    return found


def test_output_without_end_costs_bounded_memory_and_disk(poisoned: World) -> None:
    poisoned.upload(f"for _ in range({128 * MIB // 2**16}): os.write(1, b'x' * 2**16)\nprint('the end')".encode())
    peak, before = 0, psutil.Process().memory_info().rss
    done = threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, psutil.Process().memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        poisoned.process()
    finally:
        done.set()
        watcher.join()
    assert poisoned.receipt().status == "succeeded"
    assert len(poisoned.log) < 10 * MIB
    assert "the end" in poisoned.log
    # The store of these tests holds the log in memory, too.
    assert peak - before < 64 * MIB


def test_the_receipt_names_the_input_it_is_about(poisoned: World) -> None:
    etag = poisoned.upload(b"sys.exit(1)")
    poisoned.process()
    assert (poisoned.receipt().input.name, poisoned.receipt().input.etag) == (INPUT, etag)
