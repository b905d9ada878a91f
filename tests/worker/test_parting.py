"""A worker's own process that is told to stop: all that it holds goes back, whatever it is in the middle of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, StorageNames, now, plain_etag
from pipeline_app.worker.job import TOLD_SECONDS
from tests.worker.relay import relayed

NAMES = StorageNames(container="parting", input_path="incoming", output_path="outgoing")
PROJECT = Path(__file__).parents[2]
SECONDS = 60.0
# At the first request of each stage.
DOWNLOAD = "GET /[^ ]*/incoming/"
UPLOAD = "PUT /[^ ]*/outgoing/[^ ]*/result"
RECEIPT = "PUT /[^ ]*/receipt.json"


class Pipeline:
    """A container and a queue of their own, and a worker's process."""

    def __init__(self, connection_string: str, folder: Path, files: ContainerClient, jobs: QueueClient) -> None:
        self.connection_string = connection_string
        self.files = files
        self.folder = folder
        self.jobs = jobs
        self._resources = ExitStack()

    def app(self, script: str) -> None:
        path = self.folder / "bin" / "app"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def upload(self, name: str) -> None:
        etag = plain_etag(str(self.files.upload_blob(f"incoming/{name}", b"x").get_blob_properties().etag))
        job = FileJob(etag=etag, event_id="e", name=f"incoming/{name}", queued_at=now(), size=1)
        self.jobs.send_message(job.encode(), time_to_live=-1)

    def start(self, connection_string: str, slots: int = 1) -> subprocess.Popen[str]:
        environment = {
            "APP_ALIAS": "app",
            # What is not given back is not seen again while a test runs.
            "APP_CLAIM_SECONDS": "3600",
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_SCRATCH_DIRECTORY": str(self.folder / "scratch"),
            "APP_SHARE_DIRECTORY": str(self.folder),
            "APP_SLOTS": str(slots),
            "APP_STORAGE_CONNECTION": connection_string,
            "APP_STORAGE_CONTAINER": NAMES.container,
            "APP_STORAGE_INPUT_PATH": NAMES.input_path,
            "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
            "APP_WRITABLE_PATHS": str(self.folder / "notes"),
            "NOTES": str(self.folder / "notes"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
        (self.folder / "notes").mkdir()
        worker = subprocess.Popen(
            [sys.executable, "-m", "pipeline_app.worker"],
            env=environment,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._resources.callback(worker.kill)
        return worker

    def await_notes(self, count: int) -> None:
        """Wait until so many runs of the application have begun."""
        deadline = time.monotonic() + SECONDS
        while len(list((self.folder / "notes").iterdir())) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def visible(self) -> list[FileJob]:
        return [FileJob.decode(str(message.content)) for message in self.jobs.peek_messages(32)]

    def receipt(self, name: str) -> Receipt:
        blob = self.files.download_blob(NAMES.receipt_name(f"incoming/{name}"))
        return Receipt.decode(blob.readall().decode())

    def close(self) -> None:
        self._resources.close()


@pytest.fixture
def pipeline(connection_string: str, tmp_path: Path) -> Iterator[Pipeline]:
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
        ExitStack() as stack,
    ):
        files = blobs.create_container(NAMES.container)
        stack.callback(files.delete_container)
        jobs = queues.create_queue(JOBS_QUEUE)
        stack.callback(jobs.delete_queue)
        stack.callback(queues.create_queue(JOBS_POISON_QUEUE).delete_queue)
        pipeline = Pipeline(connection_string, tmp_path, files, jobs)
        stack.callback(pipeline.close)
        yield pipeline


def events(output: str, kind: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [record for record in records if record.get("event") == kind]


@pytest.mark.parametrize("request_", [DOWNLOAD, UPLOAD, RECEIPT])
def test_a_file_whose_bytes_do_not_move_any_more_goes_back_uncounted(pipeline: Pipeline, request_: str) -> None:
    pipeline.app('echo a > "$2/result"')
    pipeline.upload("a")
    with relayed(pipeline.connection_string, blobs=request_) as (through, blobs, _):
        worker = pipeline.start(through)
        assert blobs.stalled.wait(SECONDS)
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0, output
    (event,) = events(output, "worker_broke_away")
    assert (event["names"], event["given_back"]) == (["incoming/a"], True)
    (job,) = pipeline.visible()
    assert (job.given_back, job.failed, job.isolated) == (1, 0, 0)


def test_a_file_that_cannot_even_go_back_is_left_to_its_claim(pipeline: Pipeline) -> None:
    pipeline.app("true")
    pipeline.upload("a")
    with relayed(pipeline.connection_string, blobs=DOWNLOAD, queues="PUT /[^ ]*/messages/") as (through, blobs, _):
        worker = pipeline.start(through)
        assert blobs.stalled.wait(SECONDS)
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=SECONDS)
        # What the relay still holds goes through when it ends.
        assert pipeline.visible() == []
    assert worker.returncode == 1, output
    (event,) = events(output, "worker_broke_away")
    assert (event["names"], event["given_back"]) == (["incoming/a"], False)


def test_results_that_are_on_their_way_when_the_worker_is_told_to_stop_get_there(pipeline: Pipeline) -> None:
    pipeline.app('echo a > "$2/result"')
    pipeline.upload("a")
    with relayed(pipeline.connection_string, blobs=UPLOAD) as (through, blobs, _):
        worker = pipeline.start(through)
        assert blobs.stalled.wait(SECONDS)
        # An application that ended within this time may have been told as well.
        time.sleep(TOLD_SECONDS)
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout is not None
        told = next(line for line in worker.stdout if "worker_stopping" in line)
        blobs.resumed.set()
        output, _ = worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0, told + output
    assert events(output, "worker_broke_away") == []
    assert pipeline.receipt("a").status == "succeeded"
    assert pipeline.jobs.get_queue_properties().approximate_message_count == 0


def test_applications_that_ignore_being_told_to_end_hold_nothing_back(pipeline: Pipeline) -> None:
    pipeline.app('trap "" TERM; : > "$NOTES/$$"; while :; do sleep 1; done')
    for name in ("a", "b", "c"):
        pipeline.upload(name)
    worker = pipeline.start(pipeline.connection_string, slots=3)
    pipeline.await_notes(3)
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0, output
    assert events(output, "worker_broke_away") == []
    assert sorted((job.name, job.given_back, job.failed) for job in pipeline.visible()) == [
        ("incoming/a", 1, 0),
        ("incoming/b", 1, 0),
        ("incoming/c", 1, 0),
    ]
