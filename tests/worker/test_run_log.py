"""The log of an attempt: bounded, in its place at the end, and never the reason that an attempt breaks off."""

from __future__ import annotations

import logging
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_app.worker.run_log import RunLog


def test_endless_output_is_bounded_with_its_beginning_and_end(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log", head_bytes=1000, tail_bytes=1000) as log:
        log.line("first line")
        for number in range(100_000):
            log.write(f"{number}\n".encode())
        log.line("last line")
        log.close()
    text = log.path.read_text()
    assert len(text) < 2100
    assert text.startswith("first line\n| 0\n| 1\n")
    assert text.endswith("| 99999\nlast line\n")
    written = sum(len(f"| {number}\n") for number in range(100_000)) + len("first line\nlast line\n")
    assert f"{written - 2000} bytes left out" in text
    assert log.tail(10) == "last line\n"


def test_output_that_comes_byte_by_byte_takes_no_more_memory(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log", head_bytes=0, tail_bytes=2**16) as log:
        tracemalloc.start()
        for _ in range(2**18):
            log.write(b"x")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        log.close()
    assert peak < 4 * 2**16


def test_a_full_disk_costs_bytes_of_the_log_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), RunLog(Path("/dev/full"), head_bytes=10, tail_bytes=10) as log:
        for _ in range(100):
            log.line("a line")
        log.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the log /dev/full cannot be written, the application goes on: [Errno 28] No space left on device"
    ]


def _delete(path: Path) -> None:
    path.unlink()


def _delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def _put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def _put_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("harm", [_delete, _delete_folder, _put_a_folder, _put_a_link])
def test_the_log_is_in_its_place_whatever_the_application_did_to_it(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    (tmp_path / "attempt").mkdir()
    with RunLog(tmp_path / "attempt" / "run.log") as log:
        log.line("before")
        harm(log.path)
        log.line("after")
        log.close()
    assert not log.path.is_symlink()
    assert log.path.read_text() == "before\nafter\n"


def test_output_that_comes_too_late_is_left_out(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log") as log:
        log.line("in time")
        log.close()
        log.line("late")
    assert log.path.read_text() == "in time\n"
