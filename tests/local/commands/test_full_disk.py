"""A disk that is full, or is being filled, is told and ends the run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.local.fakes import Eventually
from tests.local.runs import Run, leftovers, obedient


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
