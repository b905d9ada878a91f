"""The share may be full, away, or not mounted yet: the log goes on without a traceback, and the files are unharmed."""

from __future__ import annotations

import dataclasses
import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline_app.worker import share_log
from pipeline_app.worker.attempt import Outcome
from pipeline_app.worker.share_log import (
    BATCH_CHARACTERS,
    KEPT_FILES,
    LINE_CHARACTERS,
    PrintableFormatter,
    ShareLog,
    append_log,
)
from tests.worker.world import World


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Yield the logger that the worker's handlers hang on, and put it back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.setLevel(logging.INFO)
    yield root
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def test_a_full_share_costs_one_warning_and_no_traceback(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.addHandler(ShareLog(Path("/dev/full")))
    for number in range(50):
        logger.info("line %d", number)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [
        "the log /dev/full cannot be written; the console alone goes on: [Errno 28] No space left on device"
    ]
    assert len(caplog.records) == 51
    assert capsys.readouterr().err == ""


def test_the_log_goes_on_when_the_share_is_there_and_says_what_is_missing(
    logger: logging.Logger, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    # Where no folder can be made, the share is not mounted.
    share.touch()
    logger.addHandler(ShareLog(share / "logs" / "app.log"))
    logger.info("one")
    logger.info("two")
    share.unlink()
    logger.info("three ü \udc80")
    logger.info("four")
    assert (share / "logs" / "app.log").read_text() == (
        "[3 line(s) are missing here; the console has them]\nthree ü \\udc80\nfour\n"
    )


def test_what_a_record_quotes_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    handler = ShareLog(tmp_path / "app.log")
    handler.setFormatter(PrintableFormatter("%(message)s"))
    try:
        raise ValueError("\x9b2J")
    except ValueError:
        fields = {"exc_info": sys.exc_info(), "levelname": "ERROR", "msg": "\x1b[31m \u202e"}
    handler.emit(logging.makeLogRecord(fields))
    handler.close()
    said = (tmp_path / "app.log").read_text()
    assert said.startswith("\\x1b[31m \\u202e\n  Traceback")
    assert said.endswith("\n  ValueError: \\x9b2J\n")


def test_the_log_of_an_attempt_is_appended_as_text_that_no_terminal_obeys(tmp_path: Path) -> None:
    source, target = tmp_path / "run.log", tmp_path / "app.log"
    target.write_text("before\n")
    source.write_bytes(b"[runtime] x\n| \x1b]0;\x07\r\n| \xff\xc2\x9b \tend \xc3\xbc\n| " + b"x" * (3 * 2**20))
    append_log(source, target)
    said = target.read_text(encoding="utf-8")
    head = "before\n[runtime] x\n| \\x1b]0;\\x07\\r\n| \\xff\\x9b \tend ü\n"
    assert said.startswith(head)
    lines = said.removeprefix(head).splitlines()
    assert {line[:2] for line in lines} == {"| "}
    assert "".join(line[2:] for line in lines) == "x" * (3 * 2**20)
    assert max(map(len, lines)) <= LINE_CHARACTERS + 2


def test_no_other_writer_s_line_gets_into_the_middle_of_an_application_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "run.log", tmp_path / "app.log"
    source.write_text("".join(f"| {'x' * (number % 40_000)}\n" for number in range(0, 80_000, 997)))
    handler = ShareLog(target)
    write = share_log._write_all

    def meet(log: BinaryIO, text: str) -> None:
        # Whatever is written at once, another worker's line comes behind it.
        assert len(text) <= BATCH_CHARACTERS + 2 * LINE_CHARACTERS
        write(log, text)
        handler.handle(logging.LogRecord("x", logging.INFO, "file.py", 1, "real", None, None))

    monkeypatch.setattr(share_log, "_write_all", meet)
    append_log(source, target)
    handler.close()
    lines = target.read_text().splitlines()
    assert lines.count("real") > 5
    assert {line[:2] for line in lines if line != "real"} == {"| "}


def test_nothing_is_written_through_a_link_that_an_application_left_in_the_log_s_place(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    victim, source, target = tmp_path / "victim", tmp_path / "run.log", tmp_path / "app.log"
    victim.write_text("kept\n")
    source.write_text("| forged\n")
    target.symlink_to(victim)
    logger.addHandler(ShareLog(target, max_bytes=2))
    logger.info("line")
    with pytest.raises(OSError, match=r"app\.log"):
        append_log(source, target)
    assert victim.read_text() == "kept\n"
    assert f"the log {target} cannot be written" in caplog.text
    assert target.is_symlink()


def test_a_record_that_does_not_fit_its_text_is_reported_as_logging_does(
    logger: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = ShareLog(tmp_path / "app.log")
    handler.handle(logging.LogRecord("x", logging.INFO, "file.py", 1, "%d", ("no number",), None))
    handler.close()
    assert "Logging error" in capsys.readouterr().err


def lines_of(folder: Path) -> list[str]:
    return [line for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def write(handler: ShareLog, text: str) -> None:
    handler.handle(logging.LogRecord("x", logging.INFO, "file.py", 1, text, None, None))


def test_the_log_is_bounded_in_size_and_number_and_keeps_what_is_newest(tmp_path: Path) -> None:
    handler = ShareLog(tmp_path / "app.log", max_bytes=1000)
    for number in range(1000):
        write(handler, f"line {number:04d}")
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert files[0].name == "app.log"
    assert len(files) == 1 + KEPT_FILES
    # Each file ends with the line that made it too large.
    assert all(path.stat().st_size <= 1000 + len("line 0000\n") for path in files)
    kept = sorted(lines_of(tmp_path))
    assert kept == [f"line {number:04d}" for number in range(1000 - len(kept), 1000)]
    assert len(kept) >= KEPT_FILES * 100


def test_workers_that_share_a_log_lose_no_line_while_it_is_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No old one is removed here, so every line must be somewhere, whole.
    monkeypatch.setattr("pipeline_app.worker.share_log.KEPT_FILES", 1000)
    count, workers = 1000, 4
    start = threading.Barrier(workers)

    def work(worker: int) -> None:
        handler = ShareLog(tmp_path / "app.log", max_bytes=1000)
        start.wait()
        for number in range(count):
            write(handler, f"{worker} {number:04d}")
        handler.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    assert sorted(lines_of(tmp_path)) == sorted(f"{each} {n:04d}" for each in range(workers) for n in range(count))
    assert len(list(tmp_path.iterdir())) > count * workers * len("0 0000\n") // 1000 // workers


def test_a_worker_leaves_a_file_that_another_has_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = ShareLog(tmp_path / "app.log")
    write(handler, "before")
    (tmp_path / "app.log").rename(tmp_path / "app.log.old")
    write(handler, "still there")
    monkeypatch.setattr("pipeline_app.worker.share_log.LOOK_BYTES", 0)
    write(handler, "after")
    handler.close()
    assert (tmp_path / "app.log.old").read_text() == "before\nstill there\n"
    assert (tmp_path / "app.log").read_text() == "after\n"


def test_a_log_that_cannot_be_renamed_is_bounded_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Sharing violation", str(path))

    monkeypatch.setattr(Path, "rename", refuse)
    handler = ShareLog(tmp_path / "app.log", max_bytes=1000)
    for number in range(1000):
        write(handler, f"line {number:04d}")
    handler.close()
    (only,) = tmp_path.iterdir()
    assert only.stat().st_size <= 3000
    assert only.read_text().endswith("line 0999\n")


def test_old_logs_that_cannot_be_removed_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    handler = ShareLog(tmp_path / "app.log", max_bytes=100)
    for number in range(100):
        write(handler, f"line {number:04d}")
    handler.close()
    assert len(lines_of(tmp_path)) == 100


def test_a_full_share_costs_neither_results_nor_receipt(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, log_file=Path("/dev/full"))
    world.app('echo hi; echo result > "$2/x"')
    world.upload()
    assert world.process().outcome is Outcome.SUCCEEDED
    assert [output.name.rpartition("/")[2] for output in world.receipt().outputs] == ["x"]
    assert "hi" in world.log


# Reading a process's memory at address 0 is an input/output error, as of a share whose connection broke.
@pytest.mark.parametrize(
    ("config", "reason"), [("share/config.json", "No such file"), ("/proc/self/mem", "Input/output error")]
)
def test_configs_that_cannot_be_read_for_a_moment_cost_an_attempt_and_not_the_file(
    world: World, config: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    there = world.folder / "runtime.json"
    there.write_text("{}")
    world.settings = dataclasses.replace(world.settings, runtime_config=world.folder / config)
    world.app("true")
    world.upload()
    assert world.process().outcome is Outcome.GIVEN_BACK
    assert f"The config {world.folder / config} cannot be read: {reason}" in caplog.text
    world.settings = dataclasses.replace(world.settings, runtime_config=there)
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.receipt().attempt == 2
