"""Whatever lies in the queue of jobs or in a receipt is read as the contract says, or refused with its one error."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.contract import (
    MAX_NATURAL,
    MESSAGE_VERSION,
    ContractError,
    FileJob,
    InputVersion,
    OutputFile,
    Receipt,
)
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.job import MAX_RECEIPT_TRIES
from tests.hostile.cases import cases, counted
from tests.hostile.shapes import PATHS, TEXTS, VALUES, broken
from tests.worker.world import World

JOB = FileJob(etag="0x1", event_id="e", name="incoming/a.csv", queued_at="2026-01-01T00:00:00.000Z", size=3)
MESSAGE: dict[str, Any] = {"version": MESSAGE_VERSION, **asdict(JOB)}
RECEIPT = Receipt(
    attempt=1,
    config_sha256="c",
    error=None,
    event_id="e",
    exit_code=0,
    finished_at="2026-01-01T00:00:02.000Z",
    image="i@sha256:1",
    input=InputVersion(etag="0x1", name="incoming/a.csv", sha256="s", size=1),
    outputs=(OutputFile(name="outgoing/a.csv/o", sha256="s", size=1),),
    queued_at="2026-01-01T00:00:00.000Z",
    release="1",
    started_at="2026-01-01T00:00:01.000Z",
    status="succeeded",
)
T = TypeVar("T")
NATURALS = st.integers(0, MAX_NATURAL)
VERSIONS = st.builds(InputVersion, etag=TEXTS, name=PATHS, sha256=TEXTS | st.none(), size=NATURALS)


def read(decode: Callable[[str], T], text: str) -> tuple[T | None, str]:
    """Return what a text decodes to, or the sentence with which it is refused."""
    try:
        return decode(text), ""
    except ContractError as error:
        return None, str(error)


def judge(decode: Callable[[str], T], text: str) -> T | None:
    """Return what a text decodes to, having seen that a refusal is a short sentence."""
    value, reason = read(decode, text)
    assert value is not None or (reason.endswith(".") and len(reason) < 700)
    return value


@given(
    st.builds(
        FileJob,
        cut_milliseconds=NATURALS,
        cuts=NATURALS,
        etag=TEXTS,
        event_id=TEXTS,
        failed=NATURALS,
        given_back=NATURALS,
        isolated=NATURALS,
        name=PATHS,
        queued_at=TEXTS,
        size=NATURALS,
    )
)
@cases(150)
@counted
def test_a_job_survives_the_xml_of_the_queue(job: FileJob) -> None:
    text = job.encode()
    assert text.isascii()
    assert text.isprintable()
    assert FileJob.decode(text) == job


@given(broken(MESSAGE))
@cases(150)
@counted
def test_a_job_message_with_something_wrong_is_read_or_refused(text: str) -> None:
    job = judge(FileJob.decode, text)
    if job is not None:
        assert FileJob.decode(job.encode()) == job


@given(st.sampled_from(sorted(MESSAGE)), VALUES)
@cases(100)
@counted
def test_a_refused_job_message_names_its_field(field: str, value: object) -> None:
    text = json.dumps({**MESSAGE, field: value})
    job, reason = read(FileJob.decode, text)
    if job is None:
        assert field in reason
    else:
        assert field == "version" or getattr(job, field) == value


@given(st.text(st.characters(), max_size=200) | VALUES.map(json.dumps))
@cases(100)
@counted
def test_rubbish_is_refused_with_the_one_decode_error(text: str) -> None:
    assert judge(FileJob.decode, text) is None
    assert judge(Receipt.decode, text) is None


@given(
    st.builds(
        Receipt,
        attempt=NATURALS,
        config_sha256=TEXTS,
        error=TEXTS | st.none(),
        event_id=TEXTS,
        exit_code=st.integers() | st.none(),
        finished_at=TEXTS,
        image=TEXTS,
        input=VERSIONS,
        log_tail=TEXTS | st.none(),
        outputs=st.lists(st.builds(OutputFile, name=PATHS, sha256=TEXTS, size=NATURALS), max_size=3).map(tuple),
        queued_at=TEXTS,
        release=TEXTS,
        started_at=TEXTS,
        status=st.sampled_from(["failed", "succeeded"]),
    )
)
@cases(100)
@counted
def test_a_receipt_survives_its_blob(receipt: Receipt) -> None:
    text = receipt.encode()
    assert text.isascii()
    assert Receipt.decode(text) == receipt


@given(broken(asdict(RECEIPT), inner=("input",)))
@cases(150)
@counted
def test_a_receipt_with_something_wrong_is_read_or_refused(text: str) -> None:
    receipt = judge(Receipt.decode, text)
    if receipt is not None:
        # What is read can be written again, as superseding a receipt does.
        assert Receipt.decode(receipt.encode()) == receipt


def carried(text: str) -> bool:
    """Tell whether a message can have this text: the service takes no other, and whatever it takes comes back."""
    return re.search("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text) is None


@given((st.text(max_size=100) | broken(MESSAGE)).filter(carried), st.integers(1, 20))
@cases(100)
@counted
def test_no_message_stops_a_worker(text: str, claims: int) -> None:
    with small_world() as world:
        world.queue.put(text, claims=claims - 1)
        processed = world.process()
        assert processed.outcome in (Outcome.BURIED, Outcome.SKIPPED)
        assert world.queue.is_empty()
        assert world.store.blobs == {}


@pytest.mark.parametrize("field", ["failed", "given_back", "isolated"])
@pytest.mark.parametrize("count", [1, 3, 10**6, MAX_NATURAL])
def test_a_message_that_tells_of_more_claims_than_there_were_ends_all_the_same(field: str, count: int) -> None:
    with small_world() as world:
        world.app("exit 1")
        world.store.upload("incoming/a.csv", b"x")
        world.queue.put(json.dumps({**MESSAGE, field: count}))
        outcomes: list[Processed] = []
        while not world.queue.is_empty():
            outcomes.append(world.process())
            assert len(outcomes) <= world.settings.max_attempts + MAX_RECEIPT_TRIES
        assert outcomes[-1].outcome in (Outcome.BURIED, Outcome.FAILED)


@contextmanager
def small_world() -> Iterator[World]:
    """Make a worker on fake storage, anew for each case."""
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as temporary:
        world = World(Path(temporary), monkeypatch)
        yield world
        world.close()
