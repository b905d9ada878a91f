"""Whatever lies in the queue of events becomes a job of an input, or is ignored with a reason; nothing raises."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.contract import FileJob, StorageNames, name_problem, stored_name
from pipeline_function.events import COMPLETE_UPLOADS, MAX_MESSAGE_BYTES, Ignored, job_of_event
from tests.hostile.cases import cases, counted
from tests.hostile.shapes import PATHS, TEXTS, VALUES, broken

ACCOUNT = "appstorage1"
NAMES = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
SUBJECT = "/blobServices/default/containers/pipeline-files/blobs/"
EVENT: dict[str, Any] = {
    "data": {"api": "PutBlob", "contentLength": 3, "eTag": '"0x1"', "url": "https://example.test/x"},
    "eventType": "Microsoft.Storage.BlobCreated",
    "id": "831e1650",
    "subject": f"{SUBJECT}incoming/a/b.csv",
    "topic": f"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
}


def judge(body: bytes) -> FileJob | Ignored:
    """Return what an event becomes, having seen that it is no more than it may be."""
    job = job_of_event(body, NAMES, ACCOUNT)
    if isinstance(job, Ignored):
        assert job.reason.isascii()
        assert job.reason.isprintable()
        assert job.reason.endswith(".")
        assert len(job.reason) < 600
        return job
    text = job.encode()
    assert len(text) <= MAX_MESSAGE_BYTES
    assert text.isascii()
    assert text.isprintable()
    assert FileJob.decode(text) == job
    assert NAMES.is_input(job.name)
    assert not job.name.startswith("outgoing/")
    assert name_problem(job.name, exists=True) is None
    return job


@given(st.binary(max_size=300) | VALUES.map(lambda value: str(value).encode("utf-8", "surrogatepass")))
@cases(200)
@counted
def test_no_bytes_are_an_event_by_chance(body: bytes) -> None:
    assert isinstance(judge(body), Ignored)


@given(broken(EVENT, inner=("data",)))
@cases(300)
@counted
def test_an_event_with_something_wrong_is_a_job_or_ignored(text: str) -> None:
    judge(text.encode("utf-8", "surrogatepass"))


@given(PATHS, st.sampled_from(["incoming/", "outgoing/", "incoming", ""]), st.sampled_from(sorted(COMPLETE_UPLOADS)))
@cases(250)
@counted
def test_every_name_is_an_input_of_that_name_or_refused(path: str, prefix: str, api: str) -> None:
    made = {**EVENT, "data": {**EVENT["data"], "api": api}, "subject": f"{SUBJECT}{prefix}{path}"}
    job = judge(dumped(made))
    name = stored_name(f"{prefix}{path}")
    if isinstance(job, FileJob):
        assert job.name == name
    else:
        assert not NAMES.is_input(name)


@given(TEXTS, TEXTS, st.integers())
@cases(50)
@counted
def test_what_goes_with_a_name_comes_through_or_is_named(event_id: str, etag: str, size: int) -> None:
    made = {**EVENT, "data": {**EVENT["data"], "contentLength": size, "eTag": etag}, "id": event_id}
    job = judge(dumped(made))
    if isinstance(job, FileJob):
        assert (job.event_id, job.etag, job.size) == (event_id, etag.strip().strip('"'), size)
    else:
        assert any(field in job.reason for field in ("id", "data.eTag", "data.contentLength", "its job"))


def dumped(event: dict[str, Any]) -> bytes:
    """Return an event as JSON in UTF-8, with halves of surrogate pairs as they may come."""
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
