"""One file's story by its messages and its log: where it is on its way, and where it was lost."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest

from infra.operate.story import LOG_LINES
from pipeline_app.contract.log_lines import Event, JsonLines, Log
from pipeline_app.contract.worker_events import GivenBack, JobClaimed
from pipeline_app.worker.app_config import ConfigRefused
from tests.memory.operate import MOMENT, MemoryStorage, event, event_message, job_message
from tests.operate.told import NAME, advice, told

QUEUES = ("events", "events-poison", "jobs", "jobs-poison")


@pytest.mark.parametrize(
    ("queue", "message", "mood", "text"),
    [
        ("events", event_message(NAME), "waiting", "the function makes a job of it"),
        ("events-poison", event_message(NAME), "bad", "Look at the message in 'events-poison'"),
        ("jobs", job_message(NAME), "waiting", "it is in the queue"),
        ("jobs-poison", job_message(NAME), "bad", "Look at the message in 'jobs-poison'"),
        ("jobs-poison", f'{{"version": 99, "name": "{NAME}"}}', "bad", "Look at the message in 'jobs-poison'"),
    ],
)
def test_a_message_for_the_file_is_seen_wherever_it_is(
    storage: MemoryStorage, queue: str, message: str, mood: str, text: str
) -> None:
    storage.have(queue, "no message", job_message("incoming/a.csv.bak"), event_message("incoming/b"), message)
    messages = told(storage)["Messages"].lines
    assert len(messages) == 1
    assert f"is in the queue '{queue}'" in messages[0]
    assert advice(storage)[0] == mood
    assert text in advice(storage)[1]


@pytest.mark.parametrize(("etag", "version"), [("0x1", "this"), ("0x9", "another")])
def test_a_message_is_told_with_the_version_that_it_is_for(storage: MemoryStorage, etag: str, version: str) -> None:
    storage.have("jobs", job_message(NAME, etag))
    assert told(storage)["Messages"].lines == (f"A job for it is in the queue 'jobs', for {version} version.",)


def test_messages_of_other_files_are_no_sign_of_this_one(storage: MemoryStorage) -> None:
    for queue in QUEUES:
        storage.have(queue, job_message("incoming/a.csv.bak"), event_message("incoming/a.csv.bak"), "")
    storage.have_letters(json.dumps([event("incoming/a.csv.bak")]), "no JSON", '"text"', "[1]")
    assert told(storage)["Messages"].lines == ("No message for it is in sight.",)


def test_what_cannot_be_seen_of_a_queue_is_said(storage: MemoryStorage) -> None:
    storage.have("jobs", *[job_message("incoming/other")] * 40)
    storage.have("jobs", "x", "x", claimed=True)
    assert "Out of sight are 10 in 'jobs'" in told(storage)["Messages"].lines[-1]
    assert advice(storage)[0] == "waiting"


def test_a_dead_lettered_event_is_told_in_event_grid_s_words(storage: MemoryStorage) -> None:
    record = event(NAME) | {"deadLetterReason": "TimeToLiveExceeded", "lastDeliveryOutcome": "NotFound"}
    storage.have_letters(json.dumps([event("incoming/b"), record]))
    assert told(storage)["Messages"].lines == (
        "An event of it is dead-lettered, for this version: TimeToLiveExceeded, NotFound.",
    )
    assert "'backfill' queues it now" in advice(storage)[1]


@pytest.mark.parametrize(
    ("minutes", "mood", "text"), [(1, "waiting", "its event is on the way"), (4, "bad", "Its event was lost")]
)
def test_a_file_that_nothing_tells_of_was_lost_once_the_sweep_should_have_seen_it(
    storage: MemoryStorage, minutes: int, mood: str, text: str
) -> None:
    storage.user_uploads(NAME, modified=MOMENT - timedelta(minutes=minutes))
    assert advice(storage)[0] == mood
    assert text in advice(storage)[1]


def logged(event: Event, second: int) -> str:
    """Return the line of a worker's console."""
    record = logging.LogRecord("worker", event.level, "f", 1, event, None, None)
    record.created = second
    return f"{JsonLines().format(record)}\n"


def test_the_log_s_lines_are_those_of_this_file_and_the_last_of_whatever_worker(storage: MemoryStorage) -> None:
    count = LOG_LINES + 3
    own = [logged(JobClaimed(attempt=number, event_id="e", name=NAME), number) for number in range(count)]
    other = logged(JobClaimed(attempt=1, event_id="e", name=f"{NAME}.bak"), count)
    quoting = logged(Log(text=f"claimed {NAME!r} attempt=99"), count)
    attempts = told(storage, log=[*own[5:], *own[:5], other, quoting, "printed incoming/a.csv\n"])["Attempts"].lines
    assert attempts[1:] == tuple(
        f"  1970-01-01T00:00:{number:02}.000Z INFO claimed {NAME!r} attempt={number}" for number in range(3, count)
    )


def test_a_file_that_waits_for_the_stacks_config_is_told_what_puts_it_back(storage: MemoryStorage) -> None:
    storage.have("jobs", job_message(NAME))
    refused = GivenBack(
        again_in=2.0, attempt=1, cause=ConfigRefused.__name__, code=None, counted=False, name=NAME, reason="It is odd."
    )
    claimed = JobClaimed(attempt=1, event_id="e", name=NAME)
    last = told(storage, log=[logged(claimed, 1), logged(refused, 2)])["What to do"]
    assert last.mood == "bad"
    assert "'pulumi up' puts it back" in last.lines[0]
    # Once it was put back, the file is at work.
    again = [logged(claimed, 1), logged(refused, 2), logged(claimed, 3)]
    assert told(storage, log=again)["What to do"].mood == "waiting"


def test_a_log_out_of_reach_is_told_with_the_query_that_finds_it(storage: MemoryStorage) -> None:
    storage.user_uploads('incoming/"q".csv')
    lines = told(storage, 'incoming/"q".csv', log=None)["Attempts"].lines
    assert 'tostring(e.name) == "incoming/\\"q\\".csv"' in lines[0]
