"""What a run says of its disk, whoever fills it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.local.watching.disk import DiskWatch
from tests.local.fakes import Eventually, Recorder

MIB = 1024 * 1024


class Disk:
    """A disk of a size of the test's own, and what was told of it."""

    def __init__(self, folder: Path, watcher: Recorder) -> None:
        self.errors: list[OSError] = []
        self.free = 5_000 * MIB
        self.total = 10_000 * MIB
        self.watch = DiskWatch(folder, watcher, self.errors.append)

    def statvfs(self, path: object) -> SimpleNamespace:
        """Stand in for os.statvfs."""
        return SimpleNamespace(f_bavail=self.free, f_blocks=self.total, f_frsize=1)


@pytest.fixture
def disk(tmp_path: Path, watcher: Recorder, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Make a disk with room."""
    made = Disk(tmp_path, watcher)
    monkeypatch.setattr(os, "statvfs", made.statvfs)
    return made


def test_a_disk_that_runs_low_is_told_once_by_its_name_with_the_way_out(
    disk: Disk, watcher: Recorder, tmp_path: Path
) -> None:
    disk.watch.look()
    assert watcher.warnings == []
    disk.free = 100 * MIB
    disk.watch.look()
    disk.watch.look()
    ((source, text),) = watcher.warnings
    assert source == "disk"
    assert text.startswith(f"The disk of {tmp_path} (mounted at /")
    assert "has only 100 MiB left. No file is processed with less than 256 MiB" in text
    assert text.endswith("Make room there, or choose another folder with --data.")
    assert disk.errors == []
    disk.free = 300 * MIB
    disk.watch.look()
    assert [text for _, text in watcher.logs] == [f"The disk of {tmp_path} has room again: 300 MiB."]
    disk.free = 100 * MIB
    disk.watch.look()
    assert len(watcher.warnings) == 2


def test_a_full_disk_ends_the_run(disk: Disk) -> None:
    disk.free = 8 * MIB - 1
    disk.watch.look()
    assert [error.errno for error in disk.errors] == [errno.ENOSPC]


def test_a_small_disk_is_judged_by_its_size(disk: Disk, watcher: Recorder) -> None:
    disk.total, disk.free = 16 * MIB, 3 * MIB
    disk.watch.look()
    assert (watcher.warnings, disk.errors) == ([], [])
    disk.free = 1 * MIB + 1
    disk.watch.look()
    assert (len(watcher.warnings), disk.errors) == (1, [])


def test_it_looks_until_it_is_closed_or_the_folder_is_gone(
    tmp_path: Path, watcher: Recorder, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.watching.disk.LOOK_SECONDS", 0.01)
    folder = tmp_path / "folder"
    folder.mkdir()
    gone, closed = (DiskWatch(folder, watcher, print) for _ in range(2))
    closed.start()
    closed.close()
    gone.start()
    folder.rmdir()
    eventually(lambda: any("cannot be looked at" in text for _, text in watcher.logs))
    gone.close()
    assert len(watcher.logs) == 1
