"""The lines of worker and function: JSON that any reader takes, with the fields that are declared."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.contract.function_events import Sweep
from pipeline_app.contract.log_lines import HEAD, KINDS, LINE_CHARACTERS, Event, JsonLines, decode, sentence, tell
from pipeline_app.contract.worker_events import Finished, GivenBack, WorkerEnded
from pipeline_app.rest.endpoint import StorageError
from pipeline_app.worker.storage import BlobUnreadable, code_of
from tests.infra.components.log_schema import field_types

NAME = 'incoming/it\'s "quoted" \\ ü\u2028\x1b[2J\n.csv'
FAILED = Finished(
    attempt=2,
    canary=False,
    error="The application exited with code 3.",
    etag="0x1",
    event_id="e-1",
    exit_code=3,
    name=NAME,
    outcome="failed",
    outputs=0,
    seconds=1.5,
    size=7,
)


def line_of(message: object, *arguments: object, trace: Any = None) -> str:
    record = logging.LogRecord("pipeline_app.worker.x", logging.WARNING, "f", 1, message, arguments, trace)
    record.created = 1769860800.25
    return JsonLines().format(record)


def test_an_event_is_a_line_with_its_moment_its_level_its_sentence_and_its_fields() -> None:
    line = line_of(FAILED)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {
        "attempt": 2,
        "canary": False,
        "error": "The application exited with code 3.",
        "etag": "0x1",
        "event": "finished",
        "event_id": "e-1",
        "exit_code": 3,
        "level": "WARNING",
        "logger": "pipeline_app.worker.x",
        "name": NAME,
        "outcome": "failed",
        "outputs": 0,
        "seconds": 1.5,
        "size": 7,
        "text": f"failed {NAME!r} attempt=2 outputs=0: The application exited with code 3.",
        "time": "2026-01-31T12:00:00.250Z",
    }


def test_what_is_no_event_is_a_line_as_well_and_an_exception_a_field_of_it() -> None:
    try:
        raise OSError("no\nroom")
    except OSError:
        line = line_of("the log %s cannot be written: %s", "/share/a\n", "full", trace=sys.exc_info())
    record = json.loads(line)
    assert set(record) == {"event", "level", "logger", "text", "time", "traceback"} == set(HEAD)
    assert (record["event"], record["text"]) == ("log", "the log /share/a\n cannot be written: full")
    assert record["traceback"].startswith("Traceback (most recent call last):\n")
    assert record["traceback"].endswith("\nOSError: no\nroom")


def test_the_host_of_the_function_gets_the_event_whatever_it_makes_of_a_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    event = Sweep(events=1, jobs=2)
    tell(logging.getLogger("x"), event)
    tell(logging.getLogger("x"), event, logging.ERROR)
    # Azure's worker hands on what a formatter without a format makes of a record, and its level beside it.
    # Source: https://github.com/Azure/azure-functions-python-worker/blob/dev/workers/proxy_worker/dispatcher.py
    said = [(record.levelname, json.loads(logging.Formatter().format(record))) for record in caplog.records]
    expected = {"event": "sweep", "events": 1, "jobs": 2, "text": "Backlog: events=1 jobs=2."}
    assert said == [("INFO", expected), ("ERROR", expected)]
    assert [sentence(record) for record in caplog.records] == [event.sentence()] * 2


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_event_can_be_said_with_any_of_its_values_and_reads_as_it_was_said(kind: type[Event]) -> None:
    values: dict[type, Any] = {bool: True, float: 2.5, int: 7, str: "2026-01-31T12:00:00+00:00", type(None): None}
    for pick in (min, max):
        chosen: dict[str, Any] = {}
        for name, types in field_types(kind).items():
            one = pick(types, key=lambda each: each is type(None))
            allowed = types[one]
            chosen[name] = min(allowed) if allowed else values.get(one, {"failed": 1})
        event = kind(**chosen)
        read = decode(line_of(event))
        assert read is not None
        assert {name: read[name] for name in chosen} == chosen
        assert read["text"] == event.sentence()


@given(
    name=st.text(max_size=1024),
    reason=st.text(max_size=40_000) | st.sampled_from(["\U0001f600" * 9000, "\ud800" * 20_000, "x" * 100_000]),
)
def test_no_line_is_longer_than_its_readers_take_and_the_name_is_cut_last(name: str, reason: str) -> None:
    event = GivenBack(again_in=1.0, attempt=1, cause=None, code=None, counted=True, name=name, reason=reason)
    line = line_of(event)
    assert len(line) <= LINE_CHARACTERS
    assert line.isascii()
    assert line.isprintable()
    record = json.loads(line)
    assert record["name"] == name.encode("utf-8", "backslashreplace").decode()
    assert record["event"] == "given_back"
    shown = reason.encode("utf-8", "backslashreplace").decode()
    assert record["reason"] == shown or (record["reason"].endswith("…") and shown.startswith(record["reason"][:-1]))


def test_a_name_that_no_storage_takes_is_cut_where_nothing_else_is_left_to_cut() -> None:
    event = GivenBack(again_in=1.0, attempt=1, cause=None, code=None, counted=True, name="n" * 65_536, reason="r")
    record = json.loads(line_of(event))
    assert record["name"].endswith("n…")
    assert record["reason"] == "r"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2026 INFO claimed",
        "{",
        "{}",
        '{"event": "claimed"}',
        '{"event": 1, "text": "x"}',
        '{"event": "claimed", "text": null}',
        '["event", "text"]',
        ' {"event": "claimed", "text": "x"}',
        '{"event": ' + "[" * 100_000,
    ],
)
def test_what_is_no_line_of_an_event_is_none(line: str) -> None:
    assert decode(line) is None


def test_no_event_is_declared_twice() -> None:
    with pytest.raises(TypeError, match="'finished' is declared twice"):
        type("Again", (Event,), {}, kind="finished")
    assert KINDS["finished"] is Finished


def test_what_the_storage_said_is_a_field_also_where_it_is_the_cause_of_another_error() -> None:
    refused = StorageError(403, "AuthorizationFailure", "No.")
    unreadable = BlobUnreadable("The blob cannot be read.")
    unreadable.__cause__ = refused
    assert [code_of(each) for each in (refused, unreadable)] == ["AuthorizationFailure"] * 2
    assert [code_of(each) for each in (None, StorageError(0, "", ""), SystemExit(3), OSError(28, "full"))] == [None] * 4


def test_a_worker_that_had_nothing_to_do_says_so() -> None:
    assert WorkerEnded(counts={}, exit_code=0).sentence() == "worker ends: nothing was to do"
    assert WorkerEnded(counts={"failed": 2}, exit_code=0).sentence() == "worker ends: {'failed': 2}"
