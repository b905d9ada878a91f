"""A clock that is wrong by hours, or jumps, changes time stamps and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, now, plain_etag

PROJECT = Path(__file__).parents[2]

# Python imports this before the worker's first line. A positive and a negative shift take turns at each look.
CLOCK = """
import datetime, itertools, json, os, time
_shifts, _time = itertools.cycle(json.loads(os.environ["CLOCK_SHIFTS"])), time.time
time.time = lambda: _time() + next(_shifts)
class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Shifted
"""

# The first attempt at each file fails; the second one outlives its claim, or hangs.
APPLICATION = """#!/bin/sh
mkdir "$SEEN/$(basename "$1")" && exit 1
cp "$1" "$2/copy"
sleep "$(cat "$1")"
"""
HOURS = 9


# Azure refuses a request that is dated hours off, and tells its own time with that.
@pytest.mark.refused("AuthenticationFailed")
def test_a_wrong_or_jumping_clock_changes_nothing_but_time_stamps(
    connection_string: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for name, text in (("bin/app", APPLICATION), ("clock/sitecustomize.py", CLOCK)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "bin" / "app").chmod(0o755)
    (tmp_path / "seen").mkdir()
    (tmp_path / "runtime.json").write_text(json.dumps({"env": {"SEEN": str(tmp_path / "seen")}, "timeout_seconds": 5}))
    contents = {f"incoming/{number}": b"60" if number == 0 else b"3" for number in range(7)}
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        files = blobs.create_container("clock")
        request.addfinalizer(files.close)
        jobs = queues.create_queue(JOBS_QUEUE)
        queues.create_queue(JOBS_POISON_QUEUE)
        try:
            for name, content in contents.items():
                etag = plain_etag(str(files.upload_blob(name, content).get_blob_properties().etag))
                job = FileJob(etag=etag, event_id="e", name=name, queued_at=now(), size=len(content))
                jobs.send_message(job.encode(), time_to_live=-1)
            seconds = HOURS * 3600
            outputs = _work(connection_string, tmp_path, [[seconds], [-seconds], [seconds, -seconds]])
            receipts = {
                name: Receipt.decode(files.download_blob(f"outgoing/{name[9:]}/receipt.json").readall().decode())
                for name in contents
            }
            left = jobs.get_queue_properties().approximate_message_count
        finally:
            files.delete_container()
            for queue in (JOBS_QUEUE, JOBS_POISON_QUEUE):
                queues.delete_queue(queue)
    assert [code for code, _ in outputs] == [0, 0, 0], outputs
    assert left == 0
    for name, receipt in receipts.items():
        assert (receipt.attempt, receipt.input.name) == (2, name), outputs
        hangs = contents[name] == b"60"
        assert receipt.error == ("The application ran longer than 5 seconds." if hangs else None)
        digest = hashlib.sha256(contents[name]).hexdigest()
        assert [output.sha256 for output in receipt.outputs] == ([] if hangs else [digest])
    # It would prove nothing if the clocks had been right.
    moments = [datetime.fromisoformat(receipt.started_at) - datetime.now(UTC) for receipt in receipts.values()]
    assert min(moments) < -timedelta(hours=HOURS - 1)
    assert max(moments) > timedelta(hours=HOURS - 1)


def _work(connection_string: str, folder: Path, clocks: list[list[int]]) -> list[tuple[int, str]]:
    workers = []
    for number, shifts in enumerate(clocks):
        environment = {
            "APP_ALIAS": "app",
            "APP_CLAIM_SECONDS": "2",
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_IDLE_SECONDS": "1",
            "APP_MAX_ATTEMPTS": "2",
            "APP_RUNTIME_CONFIG_FILE": str(folder / "runtime.json"),
            "APP_SCRATCH_DIRECTORY": str(folder / f"scratch-{number}"),
            "APP_STORAGE_CONNECTION": connection_string,
            "APP_STORAGE_CONTAINER": "clock",
            "APP_STORAGE_INPUT_PATH": "incoming",
            "APP_STORAGE_OUTPUT_PATH": "outgoing",
            "APP_WRITABLE_PATHS": str(folder / "seen"),
            "CLOCK_SHIFTS": json.dumps(shifts),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{folder / 'clock'}:{PROJECT}",
        }
        command = [sys.executable, "-m", "pipeline_app.worker"]
        workers.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
        )
    try:
        outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(worker.returncode, output) for worker, output in zip(workers, outputs, strict=True)]
