"""A full disk keeps no process waiting, and what cannot be recorded does not run."""

from __future__ import annotations

import dataclasses
import errno
import subprocess
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local.data.folder import write_private
from infra.local.processes import records
from infra.local.processes.supervisor import Supervisor
from tests.local.processes.shells import shell


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

        monkeypatch.setattr(records, "write_private", attempt)


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
