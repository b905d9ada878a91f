"""The contract: names, messages and receipts that both deploy units rely on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.contract import (
    MAX_BLOB_NAME,
    ContractError,
    FileJob,
    InputVersion,
    OutputFile,
    Receipt,
    StorageConnection,
    StorageNames,
    now,
    overlap,
    plain_etag,
)

NAMES = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
JOB = FileJob(etag="0x1", event_id="e", name="incoming/a.csv", queued_at="2026-01-01T00:00:00.000Z", size=3)


@given(st.builds(FileJob, size=st.integers(0), given_back=st.integers(0)))
def test_a_job_survives_the_queue_as_ascii(job: FileJob) -> None:
    text = job.encode()
    assert text.isascii()
    assert FileJob.decode(text) == job


def test_unknown_fields_of_a_message_are_ignored() -> None:
    assert FileJob.decode(json.dumps(json.loads(JOB.encode()) | {"later": 1})) == JOB


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"version": None}, "version None"),
        ({"name": 5}, "'name'"),
        ({"size": -1}, "'size'"),
        ({"size": True}, "'size'"),
        ({"given_back": "1"}, "'given_back'"),
    ],
)
def test_a_message_that_is_not_understood_is_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        FileJob.decode(json.dumps(json.loads(JOB.encode()) | change))


@given(st.one_of(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps)))
def test_rubbish_is_refused_with_the_one_decode_error(text: str) -> None:
    with pytest.raises(ContractError):
        FileJob.decode(text)
    with pytest.raises(ContractError):
        Receipt.decode(text)


def test_a_receipt_survives_its_blob() -> None:
    receipt = Receipt(
        attempt=1,
        config_sha256="c",
        error=None,
        event_id="e",
        exit_code=0,
        finished_at=now(),
        image="i@sha256:1",
        input=InputVersion(etag="0x1", name="incoming/ü.csv", sha256="s", size=1),
        outputs=(OutputFile(name="outgoing/ü.csv/o", sha256="s", size=1),),
        queued_at=now(),
        release="1",
        started_at=now(),
        status="succeeded",
    )
    assert Receipt.decode(receipt.encode()) == receipt
    with pytest.raises(ContractError, match="status 'running'"):
        Receipt.decode(receipt.encode().replace('"succeeded"', '"running"'))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("incoming/a.csv", True),
        ("incoming/a/b.csv", True),
        ("incoming/", False),
        ("incoming", False),
        ("incomings/a.csv", False),
        ("outgoing/a.csv/receipt.json", False),
        ("x/incoming/a.csv", False),
    ],
)
def test_only_blobs_below_the_input_path_are_inputs(name: str, expected: bool) -> None:
    assert NAMES.is_input(name) is expected


def test_output_names_mirror_the_input_name() -> None:
    assert NAMES.receipt_name("incoming/a/b.csv") == "outgoing/a/b.csv/receipt.json"
    assert NAMES.log_name("incoming/a/b.csv") == "outgoing/a/b.csv/run.log"
    with pytest.raises(ContractError, match="not below the input path"):
        NAMES.output_directory("elsewhere/a")


@given(st.text(min_size=1, max_size=1015), st.text(min_size=1, max_size=1015))
def test_receipt_names_fit_and_are_never_shared(one: str, other: str) -> None:
    first, second = (NAMES.receipt_name(f"incoming/{name}") for name in (one, other))
    assert len(first) <= MAX_BLOB_NAME
    assert (first == second) == (one == other)


def test_names_too_long_for_azure_stay_apart_though_they_begin_alike() -> None:
    directories = {NAMES.output_directory(f"incoming/{'x' * 1014}{end}") for end in "ab"}
    assert len(directories) == 2
    assert all(directory.startswith("outgoing/xxx") for directory in directories)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("a", "a", True), ("a", "a/b", True), ("a/b", "a", True), ("a", "ab", False), ("a/b", "a/c", False)],
)
def test_paths_overlap_when_one_holds_the_other(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected


def test_overlapping_paths_are_refused_at_start() -> None:
    environment = {
        "APP_STORAGE_CONTAINER": "c",
        "APP_STORAGE_INPUT_PATH": "/files/",
        "APP_STORAGE_OUTPUT_PATH": "files/out",
    }
    with pytest.raises(ContractError, match="APP_STORAGE_INPUT_PATH is 'files'"):
        StorageNames.from_environment(environment)


def test_a_connection_is_a_string_or_an_identity_and_never_half_of_one() -> None:
    identity = {
        "APP_STORAGE_CONNECTION__blobServiceUri": "https://a.blob.example",
        "APP_STORAGE_CONNECTION__clientId": "id",
        "APP_STORAGE_CONNECTION__queueServiceUri": "https://a.queue.example",
    }
    assert StorageConnection.from_environment({"APP_STORAGE_CONNECTION": "x"}).connection_string == "x"
    assert StorageConnection.from_environment(identity).client_id == "id"
    del identity["APP_STORAGE_CONNECTION__clientId"]
    with pytest.raises(ContractError, match="APP_STORAGE_CONNECTION__clientId"):
        StorageConnection.from_environment(identity)


@pytest.mark.parametrize("etag", ['"0x1"', "0x1", ' "0x1" '])
def test_etags_compare_without_their_quotes(etag: str) -> None:
    assert plain_etag(etag) == "0x1"
