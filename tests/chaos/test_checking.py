"""The checks of ``make chaos`` find what they are for."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from pipeline_app.contract import InputVersion, OutputFile, Receipt
from tests.chaos.checking import NAMES, SLACK_SECONDS, ZEROS, Attempts, Checker, Findings, Version

NAME = "incoming/a.csv"
VERSION = Version(content=b"a version 0\nmore", etag="0x1")


@pytest.fixture
def files(connection_string: str) -> Iterator[ContainerClient]:
    """A container of the test's own."""
    with BlobServiceClient.from_connection_string(connection_string) as service:
        container = service.create_container(f"checking-{uuid.uuid4()}")
        yield container
        container.delete_container()


def publish(files: ContainerClient, results: Mapping[str, bytes], *, attempt: str = "x", etag: str = "0x1") -> None:
    """Put results and a receipt there, as a worker does."""
    directory = NAMES.output_directory(NAME)
    outputs = tuple(
        OutputFile(name=f"{directory}/{name}", sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in results.items()
    )
    receipt = Receipt(
        attempt=1,
        config_sha256="",
        error=None,
        event_id="e",
        exit_code=0,
        finished_at="",
        image="",
        input=InputVersion(etag=etag, name=NAME, sha256=None, size=1),
        outputs=outputs,
        queued_at="",
        release="",
        started_at="",
        status="succeeded",
    )
    for name, content in {**results, "run.log": b"", "receipt.json": receipt.encode().encode()}.items():
        metadata = {"attempt": attempt, "input_etag": etag} if name == "receipt.json" else {}
        files.upload_blob(f"{directory}/{name}", content, metadata=metadata, overwrite=True)


def judged(files: ContainerClient, runs: Mapping[str, list[float]] | None = None, late: str = "") -> dict[str, int]:
    """Return how many findings there are of each kind that has any."""
    findings = Findings()
    Checker(files, findings).judge({NAME: VERSION}, runs or {}, deleted=set(), late={late})
    return {kind: len(getattr(findings, kind)) for kind in ZEROS if getattr(findings, kind)}


def test_what_is_right_is_no_finding(files: ContainerClient) -> None:
    publish(files, {"a": b"mark\n1", "b": b"mark\n2"})
    runs = {VERSION.line: [time.time() - 60, time.time()]}
    assert judged(files, runs) == {}


def test_an_input_without_a_receipt_of_its_version_is_lost(files: ContainerClient) -> None:
    assert judged(files) == {"lost": 1}
    publish(files, {}, etag="0x0")
    assert judged(files) == {"lost": 1, "stray": 2}


def test_a_result_that_is_missing_or_another_is_torn(files: ContainerClient) -> None:
    publish(files, {"a": b"mark\n1"})
    files.upload_blob("outgoing/a.csv/a", b"mark\n2", overwrite=True)
    assert judged(files) == {"torn": 1}
    files.delete_blob("outgoing/a.csv/a")
    assert judged(files) == {"torn": 1}


def test_results_of_two_runs_under_one_receipt_are_mixed(files: ContainerClient) -> None:
    publish(files, {"a": b"mark\n1", "b": b"other mark\n1"})
    assert judged(files) == {"mixed": 1}


def test_a_run_after_the_receipt_is_a_duplicate(files: ContainerClient) -> None:
    publish(files, {"a": b"mark\n1"})
    assert judged(files, {VERSION.line: [time.time() + SLACK_SECONDS + 2]}) == {"duplicated": 1}


def test_what_no_receipt_names_is_stray_unless_its_write_was_held_back(files: ContainerClient) -> None:
    publish(files, {"a": b"mark\n1"})
    files.upload_blob("outgoing/a.csv/b", b"mark\n1")
    assert judged(files) == {"stray": 1}
    assert judged(files, late="outgoing/a.csv/b") == {}


def test_a_receipt_by_another_attempt_is_a_duplicate_unless_storage_forgot_the_first(files: ContainerClient) -> None:
    findings = Findings()
    attempts = Attempts(findings)
    for attempt, expected in (("x", 0), ("x", 0), ("y", 1)):
        publish(files, {}, attempt=attempt)
        assert attempts.sample(files) == {"outgoing/a.csv/receipt.json": "0x1"}
        assert len(findings.duplicated) == expected
    attempts.forget()
    publish(files, {}, attempt="z")
    attempts.sample(files)
    assert len(findings.duplicated) == 1
