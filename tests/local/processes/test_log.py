"""The log of a process."""

from __future__ import annotations

import logging
from pathlib import Path

from infra.local.processes.log import ProcessLog, log_trouble


def test_no_terminal_obeys_the_log_of_a_process(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "log", log_trouble)
    log.emit(logging.makeLogRecord({"msg": "\x1b[31mred \u202e"}))
    log.close()
    assert (tmp_path / "log").read_text() == "\\x1b[31mred \\u202e\n"
