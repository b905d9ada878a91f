"""Events become jobs, or are ignored with a reason; nothing that can come in raises."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline_app.contract import FileJob
from pipeline_function.events import COMPLETE_UPLOADS, MAX_MESSAGE_BYTES, Ignored, job_of_event
from tests.memory.function import ACCOUNT, NAMES

SUBJECT = "/blobServices/default/containers/pipeline-files/blobs/"


def event(**changes: Any) -> dict[str, Any]:
    """Return an event as Event Grid sends it; changes are by field, with ``data__`` before those of its data."""
    made: dict[str, Any] = {
        "topic": f"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
        "subject": f"{SUBJECT}incoming/a/b.csv",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-01-31T12:00:00.9584103Z",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": {
            "api": "PutBlockList",
            "blobType": "BlockBlob",
            "contentLength": 524288,
            "contentType": "text/csv",
            "eTag": '"0x8D4BCC2E4835CD0"',
            "url": f"https://{ACCOUNT}.blob.core.windows.net/pipeline-files/incoming/a/b.csv",
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }
    for name, value in changes.items():
        if name.startswith("data__"):
            made["data"][name.removeprefix("data__")] = value
        else:
            made[name] = value
    return made


def read(made: object) -> FileJob | Ignored:
    return job_of_event(json.dumps(made).encode(), NAMES, ACCOUNT)


def test_an_upload_below_the_input_path_becomes_a_job_of_that_version() -> None:
    job = read(event())
    assert isinstance(job, FileJob)
    assert (job.name, job.etag, job.size) == ("incoming/a/b.csv", "0x8D4BCC2E4835CD0", 524288)
    assert job.event_id == "831e1650-001e-001b-66ab-eeb76e069631"


@pytest.mark.parametrize("api", sorted(COMPLETE_UPLOADS))
def test_each_call_that_completes_an_upload_makes_a_job(api: str) -> None:
    assert isinstance(read(event(data__api=api)), FileJob)


@pytest.mark.parametrize(
    "name",
    [
        "a b.csv",
        "50%2Foff.csv",
        "a#b?c&d+e.csv",
        "Überblick/日本.csv",
        "quote\"s'.csv",
        "x" * 1015,
        "..sub/a..csv",
        "/a",
        "a/",
    ],
)
def test_a_name_reaches_the_job_as_the_subject_has_it(name: str) -> None:
    job = read(event(subject=f"{SUBJECT}incoming/{name}"))
    assert isinstance(job, FileJob)
    assert job.name == f"incoming/{name}"
    assert FileJob.decode(job.encode()) == job


@pytest.mark.parametrize("asked", ["a\\b.csv", "a./b.csv", "a../b.csv...", "a\\b.csv."])
def test_a_job_has_the_name_that_the_service_makes_of_the_one_that_was_asked_for(asked: str) -> None:
    job = read(event(subject=f"{SUBJECT}incoming/{asked}"))
    assert isinstance(job, FileJob)
    assert job.name == "incoming/a/b.csv"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": None}, "data is null"),
        ({"data__api": "CreateFile"}, 'data.api is "CreateFile"'),
        ({"data__api": ["PutBlob"]}, "data.api is"),
        ({"data__contentLength": -1}, "data.contentLength is -1"),
        ({"data__contentLength": True}, "data.contentLength is true"),
        ({"data__contentLength": "12"}, "data.contentLength"),
        ({"data__contentLength": 2**63}, "data.contentLength is 9223372036854775808"),
        ({"data__eTag": '""'}, "data.eTag"),
        ({"data__eTag": None}, "data.eTag is null"),
        ({"eventType": "Microsoft.Storage.BlobDeleted"}, "BlobDeleted"),
        ({"eventType": None}, "type is null"),
        ({"id": ""}, "id is"),
        ({"id": 7}, "id is 7"),
        ({"subject": "/blobServices/default/containers/other/blobs/incoming/a.csv"}, "container 'pipeline-files'"),
        ({"subject": "/blobServices/default/containers/pipeline-files"}, "container 'pipeline-files'"),
        ({"subject": f"{SUBJECT}elsewhere/a.csv"}, "not below the input path"),
        ({"subject": f"{SUBJECT}incoming"}, "not below the input path"),
        ({"subject": f"{SUBJECT}incoming/"}, "not below the input path"),
        ({"subject": f"{SUBJECT}incoming/" + "x" * 1016}, "not a name that a blob can have"),
        ({"subject": f"{SUBJECT}incoming/../outgoing/a.csv/receipt.json"}, "'.' or '..' between slashes"),
        ({"subject": f"{SUBJECT}incoming/..\\x"}, "'.' or '..' between slashes"),
        ({"subject": f"{SUBJECT}incoming/.../a"}, "a part that ends in a dot"),
        ({"subject": f"{SUBJECT}incoming/a/."}, "'.' or '..' between slashes"),
        ({"subject": f"{SUBJECT}incoming/\0.csv"}, "Azure takes in no name"),
        ({"subject": f"{SUBJECT}incoming/\ud800.csv"}, "not a name that a blob can have"),
        ({"subject": f"{SUBJECT}incoming2/a.csv"}, "not below the input path"),
        ({"subject": f"{SUBJECT}outgoing/a.csv/receipt.json"}, "output of the pipeline"),
        ({"topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/other"}, "topic"),
        ({"topic": f"/x/Microsoft.Storage/storageAccounts/not{ACCOUNT}"}, "topic"),
        ({"topic": None}, "topic is null"),
    ],
)
def test_a_foreign_or_incomplete_event_is_ignored_with_the_field_in_the_reason(
    changes: dict[str, Any], reason: str
) -> None:
    ignored = read(event(**changes))
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'"text"', "a JSON str"),
        (b"[{}]", "a JSON list"),
        (b"{" + b" " * MAX_MESSAGE_BYTES, "more than the"),
        (b"null", "a JSON NoneType"),
    ],
)
def test_what_is_no_event_is_ignored(body: bytes, reason: str) -> None:
    ignored = job_of_event(body, NAMES, ACCOUNT)
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


def test_a_job_that_no_queue_message_can_carry_is_ignored() -> None:
    body = json.dumps(event(id="\u00e9" * 20_000), ensure_ascii=False).encode()
    assert len(body) < MAX_MESSAGE_BYTES
    ignored = job_of_event(body, NAMES, ACCOUNT)
    assert isinstance(ignored, Ignored)
    assert "its job would have" in ignored.reason.lower()


def test_reasons_stay_short_and_on_one_line_whatever_an_event_says() -> None:
    ignored = read(event(topic="line\n" * 5_000))
    assert isinstance(ignored, Ignored)
    assert len(ignored.reason) < 300
    assert ignored.reason.isascii()
    assert ignored.reason.isprintable()


@pytest.mark.parametrize("name", ["incoming/a/", "incoming/a/b/", "incoming/a_$folder$", "incoming/a/b_$folder$"])
def test_an_empty_blob_of_a_folder_s_name_is_ignored_and_one_with_content_is_a_job(name: str) -> None:
    ignored = read(event(subject=f"{SUBJECT}{name}", data__contentLength=0))
    assert ignored == Ignored(f"{json.dumps(name)} stands for a folder.")
    assert isinstance(read(event(subject=f"{SUBJECT}{name}", data__contentLength=1)), FileJob)


def test_an_empty_file_is_a_job() -> None:
    assert isinstance(read(event(data__contentLength=0)), FileJob)


@pytest.mark.parametrize(
    "changes",
    [
        {"eventType": "Microsoft.Storage.DirectoryCreated", "data__api": "CreateDirectory"},
        {"data__api": "CreateDirectory", "data__contentLength": 0},
    ],
)
def test_a_directory_of_a_hierarchical_account_is_no_job(changes: dict[str, Any]) -> None:
    assert isinstance(read(event(**changes)), Ignored)


@pytest.mark.parametrize("kind", ["AppendBlob", "PageBlob"])
def test_a_blob_that_is_made_before_its_content_is_left_to_the_sweep_and_a_copy_of_one_is_a_job(kind: str) -> None:
    ignored = read(event(data__api="PutBlob", data__blobType=kind, data__contentLength=0))
    assert isinstance(ignored, Ignored)
    assert "The sweep queues it." in ignored.reason
    assert isinstance(read(event(data__api="CopyBlob", data__blobType=kind)), FileJob)
