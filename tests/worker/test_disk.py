"""The disk's limits: what is measured, who is ended, and that looking costs little."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_app.worker import disk, watching
from pipeline_app.worker.disk import Disk, DiskFull
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.usage import Usage, measure
from tests.worker.world import World

MIB = 1024 * 1024


class FileSystem:
    """Stands in for statvfs with as much room as the test says, in MiB."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = 1_000_000
        self.free = 10_000
        monkeypatch.setattr(os, "statvfs", self._state)

    def _state(self, path: Path) -> SimpleNamespace:
        return SimpleNamespace(
            f_bavail=self.free, f_blocks=20_000, f_favail=self.files, f_files=2_000_000, f_frsize=MIB
        )


@pytest.fixture
def file_system(monkeypatch: pytest.MonkeyPatch) -> FileSystem:
    return FileSystem(monkeypatch)


@pytest.fixture
def settings(world: World) -> WorkerSettings:
    return world.settings


def scratch(folder: Path, name: str = "attempt", size: int = 0) -> Path:
    made = folder / name
    (made / "work" / "output").mkdir(parents=True)
    (made / "work" / "tmp").mkdir()
    (made / "work" / "tmp" / "data").write_bytes(bytes(size))
    return made


def total(folder: Path) -> tuple[int, int]:
    size = files = 0
    for usage in measure(folder):
        size, files = usage.size, usage.output_files
    return size, files


def test_a_sparse_file_counts_with_its_size_and_a_linked_one_once(tmp_path: Path) -> None:
    folder = scratch(tmp_path)
    empty, _ = total(folder)
    (folder / "work" / "tmp" / "data").write_bytes(bytes(MIB))
    os.link(folder / "work" / "tmp" / "data", folder / "work" / "output" / "again")
    size, files = total(folder)
    assert size == pytest.approx(empty + MIB, abs=64 * 1024)
    assert files == 1
    with (folder / "work" / "output" / "sparse").open("wb") as sparse:
        sparse.truncate(1024**4)
    assert total(folder)[0] >= 1024**4


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(bytes(4 * MIB))
    folder = scratch(tmp_path)
    (folder / "work" / "output" / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "work" / "output" / "loop").symlink_to(folder)
    size, files = total(folder)
    assert size < MIB
    assert files == 2


def test_what_vanishes_meanwhile_is_left_out(tmp_path: Path) -> None:
    folder = scratch(tmp_path)
    for number in range(10):
        (folder / "work" / "output" / f"{number}").mkdir()
        (folder / "work" / "output" / f"{number}.csv").touch()
    seen = 0
    for usage in measure(folder):
        seen = usage.output_files
        if seen == 1 and (folder / "work" / "output").exists():
            shutil.rmtree(folder / "work" / "output")
    assert seen == 1


def test_budgets_and_what_lies_beside_never_take_more_than_is_free_less_the_reserve(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings
) -> None:
    shared = Disk(tmp_path, dataclasses.replace(settings, slots=4))
    assert shared.budget == (10_000 - 256) * MIB * 7 // 8 // 4
    assert 0.99 < 4 * (shared.budget + 3 * shared.aside) / ((10_000 - 256) * MIB) <= 1
    assert Disk(tmp_path, dataclasses.replace(settings, scratch_bytes=5, slots=4)).budget == 5


@pytest.mark.parametrize(("resource", "left"), [("files", 9_999), ("free", 255)])
def test_a_disk_below_its_reserve_takes_no_attempt_and_no_worker(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings, resource: str, left: int
) -> None:
    full = Disk(tmp_path, settings)
    setattr(file_system, resource, left + 1)
    full.require()
    setattr(file_system, resource, left)
    with pytest.raises(DiskFull, match="must stay free"):
        full.require()
    with pytest.raises(DiskFull, match="must stay free"):
        Disk(tmp_path, settings)


def test_of_several_attempts_the_largest_is_ended_when_the_disk_runs_low(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings
) -> None:
    shared = Disk(tmp_path, dataclasses.replace(settings, slots=2))
    with (
        shared.watch(scratch(tmp_path, "large", 2 * MIB)) as large,
        shared.watch(scratch(tmp_path, "small", MIB)) as small,
    ):
        assert (large.exceeded(), small.exceeded()) == (None, None)
        file_system.free = 200
        assert small.exceeded() is None
        assert "has 200.0 MiB left; 256.0 MiB must stay free" in (large.exceeded() or "")
        # Another attempt may be what fills the disk, and that one is on its way out.
        shared.require()


def test_a_disk_that_somebody_else_fills_is_told_as_that(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings
) -> None:
    shared = Disk(tmp_path, settings)
    with shared.watch(scratch(tmp_path, "first", 2 * MIB)) as watch:
        file_system.free = 255
        assert "Let the application write less" in (watch.exceeded() or "")
        file_system.free = 200
        said = watch.exceeded() or ""
    assert re.search(r"The files of what is processed take \d\.\d MiB of it\. The rest is another program's", said)
    assert f"(mounted at {disk.mount_of(tmp_path)})" in said
    assert said.endswith("Make room on that disk.")
    with pytest.raises(DiskFull, match="No file that is processed takes it"):
        shared.require()


def test_the_largest_that_is_gone_makes_the_next_one_the_largest(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings
) -> None:
    shared = Disk(tmp_path, settings)
    with shared.watch(scratch(tmp_path, "small", MIB)) as small:
        with shared.watch(scratch(tmp_path, "large", 2 * MIB)):
            file_system.free = 200
            assert small.exceeded() is None
        assert small.exceeded() is not None
        assert small.settled() is not None


def test_an_attempt_that_began_on_a_full_disk_is_not_to_blame(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings
) -> None:
    shared = Disk(tmp_path, settings)
    with ExitStack() as second:
        with shared.watch(scratch(tmp_path, "first")):
            file_system.free = 200
            # Its input came in before the disk was full.
            watch = second.enter_context(shared.watch(scratch(tmp_path, "second", MIB)))
        with pytest.raises(DiskFull, match="must stay free"):
            watch.exceeded()
        with pytest.raises(DiskFull, match="must stay free"):
            watch.settled()
    with pytest.raises(DiskFull, match="must stay free"), shared.watch(scratch(tmp_path, "third")):
        pass


def test_a_file_system_that_loses_what_an_attempt_has_left_ends_the_pause(
    tmp_path: Path, file_system: FileSystem, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MIN_INTERVAL_SECONDS", 3600.0)
    folder = scratch(tmp_path)
    with Disk(tmp_path, dataclasses.replace(settings, scratch_bytes=MIB)).watch(folder) as watch:
        (folder / "work" / "tmp" / "data").write_bytes(bytes(2 * MIB))
        assert watch.exceeded() is None
        file_system.free -= 2
        assert "at least 2.0 MiB" in (watch.exceeded() or "")


def test_looking_takes_a_twentieth_of_the_time_and_never_long_at_once(
    tmp_path: Path, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[float] = []
    clock = 0.0

    def slow_walk(folder: Path) -> object:
        nonlocal clock
        for _ in range(50):
            clock += 0.02
            yield Usage()

    monkeypatch.setattr(watching, "measure", slow_walk)
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    with Disk(tmp_path, settings).watch(scratch(tmp_path)) as watch:
        while clock < 200:
            started = clock
            assert watch.exceeded() is None
            spent.append(clock - started)
            clock += 0.2
    assert max(spent) < 0.15
    # A look costs a second here, so there is one about every twenty.
    assert 200 * 0.03 < sum(spent) < 200 * 0.06


def refuse(number: int) -> Callable[..., object]:
    def raise_it(*args: object, **kwargs: object) -> object:
        raise OSError(number, os.strerror(number))

    return raise_it


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_during_the_download_fails_the_file_with_that_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(world.store, "download", refuse(number))
    world.upload()
    while not world.queue.is_empty():
        world.process()
    receipt = world.receipt()
    assert (receipt.status, receipt.attempt) == ("failed", 3)
    assert receipt.error is not None
    assert receipt.error.startswith(f"The input of 4 bytes could not be written to the disk: {os.strerror(number)}.")


def test_an_input_beyond_the_budget_is_not_downloaded(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, max_attempts=1, scratch_bytes=MIB)
    world.upload(bytes(2 * MIB))
    world.process()
    error = world.receipt().error or ""
    assert error.startswith("The input has 2.0 MiB; an attempt may take 1.0 MiB of disk, its input included. ")
    assert "scratchGib (APP_SCRATCH_BYTES)" in error
    assert (world.receipt().input.size, world.receipt().input.sha256) == (2 * MIB, None)


def test_what_a_failed_run_left_is_gone_before_its_log_and_receipt_need_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file, left = world.store.put_file, []

    def look(name: str, path: Path, **options: Any) -> str:
        left.append(sorted(entry.name for entry in path.parent.iterdir()))
        return put_file(name, path, **options)

    monkeypatch.setattr(world.store, "put_file", look)
    world.settings = dataclasses.replace(world.settings, max_attempts=1)
    world.app('echo half > "$2/half"; echo more > more; exit 1')
    world.upload()
    world.process()
    assert left == [["run.log"]]


def test_a_disk_that_was_full_before_costs_the_file_no_attempt_and_ends_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app("true")
    world.upload()
    with monkeypatch.context() as full:
        full.setattr(Disk, "__init__", _begin_with_a_disk_that_fills(full))
        with pytest.raises(DiskFull):
            world.process()
    world.process()
    assert (world.receipt().status, world.receipt().attempt) == ("succeeded", 1)


def _begin_with_a_disk_that_fills(monkeypatch: pytest.MonkeyPatch) -> Callable[[Disk, Path, WorkerSettings], None]:
    original = Disk.__init__

    def begin(self: Disk, folder: Path, settings: WorkerSettings) -> None:
        original(self, folder, settings)
        FileSystem(monkeypatch).free = 100

    return begin
