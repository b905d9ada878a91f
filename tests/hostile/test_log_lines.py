"""An application prints what looks like the worker's own lines; in no log can they be taken for those."""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.local.commands import demo
from infra.operate.log_lines import readable
from infra.operate.story import gather
from pipeline_app.contract import InputVersion, Receipt, StorageNames
from pipeline_app.contract.log_lines import JsonLines, decode
from pipeline_app.contract.worker_events import JobClaimed, Warned
from pipeline_app.printable import printable
from pipeline_app.worker.__main__ import SHARE_FORMAT, SHARE_MOMENT
from pipeline_app.worker.marking import MARK, Marker, is_application_line, own_lines
from pipeline_app.worker.run_log import RunLog
from pipeline_app.worker.share_log import PrintableFormatter, ShareLog, append_log
from tests.hostile.cases import cases, counted
from tests.hostile.service import PRINTED, Service
from tests.memory.operate import MemoryStorage

RECORD: Final = "2026-01-31T12:00:00.000Z INFO succeeded 'incoming/other' attempt=1 outputs=1"
OWN: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z [A-Z]+ |\[(pipeline|runtime)\] |The application's result |\{")
STEP: Final = "[runtime] exited with code 0"
# How a line can end for a terminal, an editor, or a program.
ENDS: Final = ["\n", "\r", "\r\n", "\n\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
MOVES: Final = ["\x1b[1A\x1b[2K", "\x1b[G", "\x9b1G", "\x08" * 200, "\x1bE", "\x1bD", "\x1b]0;x\x07", "\x1bc", "\u202e"]
FORGED: Final = [
    *(f"x{end}{line}{end}" for end in ENDS for line in (RECORD, STEP, f"{MARK}x", "  x")),
    *(f"x{move}{RECORD}\n" for move in MOVES),
    RECORD,
    f"{MARK}\n{RECORD}\n",
    f"\n\n{STEP}",
    "\ufeff" + RECORD,
    "[… 5 bytes left out …]\n",
]


def lines_of(data: bytes) -> list[str]:
    """Return the lines of a log, by every character that may end one, without those of no width."""
    text = data.decode("utf-8", "replace")
    return [line for line in re.split("|".join(map(re.escape, sorted(ENDS, key=len, reverse=True))), text) if line]


def own_of(data: bytes) -> list[str]:
    return [line for line in lines_of(data) if not is_application_line(line)]


@pytest.mark.parametrize("text", FORGED, ids=ascii)
@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_no_line_that_is_printed_is_taken_for_the_worker_s(tmp_path: Path, text: str, piece: int) -> None:
    data = text.encode()
    with RunLog(tmp_path / "run.log") as log:
        log.line("[pipeline] begins")
        for begin in range(0, len(data), piece):
            log.write(data[begin : begin + piece])
        log.line("[pipeline] ends")
        log.close()
    append_log(log.path, tmp_path / "app.log")
    for path in (log.path, tmp_path / "app.log"):
        said = path.read_bytes()
        assert own_of(said) == ["[pipeline] begins", "[pipeline] ends"]
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]", said)


@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(ENDS + MOVES).map(str.encode)), max_size=8))
@cases(200)
@counted
@example([b"\xe6", b"\x9b\x9b"])
@example([b"x\r", b"\n", b"[runtime]"])
@example([b"\xe2\x80", b"\xa8", RECORD.encode()])
def test_whatever_is_printed_in_whatever_pieces_is_marked_and_whole(pieces: list[bytes]) -> None:
    marker, whole = Marker(), Marker()
    said = b"".join(map(marker.feed, pieces)) + marker.end()
    assert said == whole.feed(b"".join(pieces)) + whole.end()
    assert own_of(said) == []
    assert printable(said.decode()) == said.decode()
    # What stands there means what was printed: an application finds its own text again.
    plain = b"".join(pieces).decode("utf-8", "backslashreplace")
    if plain.isprintable() and plain:
        assert said.decode() == f"{MARK}{plain}\n"


def test_the_worker_begins_a_new_line_whatever_the_application_has_not_ended(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log") as log:
        log.write(b"no end")
        log.line("[runtime] one")
        log.write(b"half \xe2\x80")
        log.line("[runtime] two")
        log.write(b"\rlast\r")
        log.close()
    assert log.path.read_text() == "| no end\n[runtime] one\n| half \\xe2\\x80\n[runtime] two\n| \n| last\n"


@pytest.mark.parametrize("size", range(95, 130))
def test_no_cut_makes_a_line_of_the_worker_s(tmp_path: Path, size: int) -> None:
    with RunLog(tmp_path / "run.log", head_bytes=50, tail_bytes=size) as log:
        for _ in range(200):
            log.write(f"xxxxxxxx{RECORD}".encode())
        log.line("[pipeline] ends")
        log.close()
    own = own_of(log.path.read_bytes())
    assert [line for line in own if "bytes left out" not in line] == ["[pipeline] ends"]
    for length in range(1, size):
        for line in log.tail(length).splitlines():
            assert is_application_line(line) or line == "[pipeline] ends"


def test_what_is_written_into_the_log_behind_the_worker_s_back_is_not_kept(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log") as log:
        log.line("[pipeline] begins")
        log.write(b"printed\n")
        with log.path.open("a") as file:
            file.write(f"{RECORD}\n")
        log.line("[pipeline] ends")
        log.close()
    text = log.path.read_text()
    assert RECORD not in text
    assert "was written to by somebody else" in text


@pytest.mark.parametrize("end", ENDS, ids=ascii)
@pytest.mark.parametrize("is_event", [False, True])
def test_what_a_record_quotes_is_no_further_record(tmp_path: Path, end: str, is_event: bool) -> None:
    quoted = f"why{end}{RECORD}"
    said, arguments = (Warned(name="a", warning=quoted), ()) if is_event else ("'a': %s", (quoted,))
    record = logging.LogRecord("x", logging.INFO, "f", 1, said, arguments, None)
    formatter = PrintableFormatter(SHARE_FORMAT, SHARE_MOMENT)
    formatter.converter = time.gmtime
    handler = ShareLog(tmp_path / "app.log")
    handler.setFormatter(formatter)
    handler.handle(record)
    handler.close()
    first, *more = lines_of((tmp_path / "app.log").read_bytes())
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z INFO 'a': why", first)
    assert all(line.startswith("  ") for line in more)
    # On the console it is one line for whoever ends lines with whatever, and for a person the same as on the share.
    (line,) = lines_of(JsonLines().format(record).encode())
    assert line.isascii()
    assert line.isprintable()
    assert readable(line) == (tmp_path / "app.log").read_bytes().decode().removesuffix("\n")


def test_a_text_of_the_worker_s_has_one_line_that_begins_as_one() -> None:
    assert own_lines(f"a\n{MARK}b\nc\x1b") == "a\n  | b\n  c\\x1b"


def test_an_application_tells_nothing_of_another_file_in_what_explain_shows() -> None:
    storage = MemoryStorage()
    names = StorageNames(container="c", input_path="incoming", output_path="outgoing")
    storage.user_uploads("incoming/other")
    claimed = str(JobClaimed(attempt=1, event_id="e", name="incoming/other"))
    quoting = str(Warned(name="incoming/mine", warning=f"'incoming/other': {claimed}\n{claimed}"))
    story = gather("incoming/other", storage, names, [f"{MARK}{claimed}\n", f"{RECORD}\n", quoting, claimed])
    assert story.log == (decode(claimed),)


def test_the_last_words_are_the_application_s_and_never_the_worker_s() -> None:
    version = InputVersion(etag="e", name="incoming/a", sha256=None, size=1)
    receipt = Receipt(
        attempt=1,
        config_sha256="",
        error="It failed.",
        event_id="",
        exit_code=1,
        finished_at="",
        image="",
        input=version,
        log_tail=f"[runtime] x\n{MARK}the reason\n{MARK}\n[runtime] The application exited with code 1.\n",
        outputs=(),
        queued_at="",
        release="",
        started_at="",
        status="failed",
    )
    assert demo._last_words(receipt) == "The application's last words were: the reason"
    pending = dataclasses.replace(receipt, log_tail="The runtime config cannot be read.\n")
    assert demo._last_words(pending) is None


def test_a_real_worker_s_logs_tell_its_lines_from_an_application_s(service: Service) -> None:
    said = "".join(f"{text}\n" for text in FORGED)
    # A result of that name cannot be kept, so the reason quotes what might be a line of its own.
    for name, files in {"a": {PRINTED: said}, "b": {PRINTED: said, f"x\n{RECORD}": ""}}.items():
        service.put(f"incoming/{name}", files)
        service.order(f"incoming/{name}")
    share = service.folder / "share" / "app.log"
    console = service.work(APP_LOG_FILE=str(share))
    assert service.receipt("incoming/a").status == "succeeded"
    failed = service.receipt("incoming/b")
    assert failed.status == "failed"
    assert own_of(str(failed.log_tail).encode())[-1].startswith("The application's result ")
    logs = [service.read(service.names.log_name(f"incoming/{name}")) for name in "ab"]
    # Nothing of an application's is on the console, and each line there is the worker's own and no other's.
    events = [decode(line) for line in console.splitlines()]
    assert None not in events
    assert {event["name"] for event in events if event and "name" in event} == {"incoming/a", "incoming/b"}
    for log in (share.read_bytes(), *logs):
        own = own_of(log)
        assert [line for line in own if line.startswith(RECORD[:24])] == []
        assert [line for line in own if not OWN.match(line)] == []
    assert [own_of(log).count(STEP) for log in logs] == [1, 1]
    assert own_of(share.read_bytes()).count(STEP) == 2
