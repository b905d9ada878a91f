"""The share may be full, away, or not mounted yet: the log goes on without a traceback, and the files are unharmed."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_app.worker.attempt import Outcome
from pipeline_app.worker.share_log import ShareLog
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


def test_a_record_that_does_not_fit_its_text_is_reported_as_logging_does(
    logger: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = ShareLog(tmp_path / "app.log")
    handler.handle(logging.LogRecord("x", logging.INFO, "file.py", 1, "%d", ("no number",), None))
    handler.close()
    assert "Logging error" in capsys.readouterr().err


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
