"""The pipeline with a Container Apps job, seen by a client, and the change from one runner to the other and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

from infra.local.processes.waiting import wait_until
from pipeline_app.contract import JOBS_QUEUE
from tests.local.commands.starting import Start, is_busy
from tests.local.fakes import Eventually
from tests.local.runs import Client, Run, client_of, leftovers, obedient, running

JOB = "runner=containerAppsJob"


@pytest.fixture(scope="module")
def job_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run with a job of at most two executions."""
    folder = tmp_path_factory.mktemp("job")
    with running(folder / "data", *obedient(folder), JOB, "maxExecutions=2") as run:
        yield run


@pytest.fixture(scope="module")
def job_client(job_run: Run) -> Iterator[Client]:
    with client_of(job_run) as client:
        yield client


def executions(run: Run) -> list[str]:
    """Return the executions that are at work."""
    return [name for name in run.children() if name.startswith("worker-")]


def begun(run: Run) -> set[str]:
    """Return all executions whose worker has come up."""
    return set(re.findall(r"(worker-[0-9a-f]{8}): worker of release", run.text()))


def test_a_burst_gets_its_receipts_from_no_more_executions_than_allowed(
    job_run: Run, job_client: Client, eventually: Eventually
) -> None:
    uploads = {f"burst/{number}.txt": b"x%d" % number for number in range(12)}
    etags = {name: job_client.upload(name, content) for name, content in uploads.items()}
    seen = 0
    for name, etag in etags.items():
        receipt = job_client.receipt(name, etag)
        assert (receipt.status, receipt.attempt) == ("succeeded", 1)
        seen = max(seen, len(executions(job_run)))
    assert 1 <= seen <= 2
    # It scales to nothing where nothing is to do.
    eventually(lambda: executions(job_run) == [])


def test_a_message_that_nobody_sees_yet_counts(job_run: Run, job_client: Client, eventually: Eventually) -> None:
    """So says KEDA's scaler: it starts an execution, which finds nothing."""
    eventually(lambda: executions(job_run) == [])
    before = begun(job_run)
    connection = job_run.ready()["appStorageConnectionString"]
    with QueueServiceClient.from_connection_string(connection) as service:
        queue = service.get_queue_client(JOBS_QUEUE)
        message = queue.send_message("later", visibility_timeout=3600)
        try:
            eventually(lambda: len(begun(job_run)) > len(before))
        finally:
            queue.delete_message(message.id, message.pop_receipt)
    eventually(lambda: executions(job_run) == [])
    receipt = job_client.receipt("after.txt", job_client.upload("after.txt", b"x"))
    assert receipt.status == "succeeded"


def test_a_killed_execution_costs_a_run_and_not_the_file(
    job_run: Run, job_client: Client, eventually: Eventually
) -> None:
    etag = job_client.upload("killed.txt", b"hang")
    eventually(lambda: any("sleep" in line for line in leftovers(job_run.data)))
    for name in executions(job_run):
        for child in job_run.children()[name].children():
            child.kill()
    assert wait_until(lambda: not [line for line in leftovers(job_run.data) if "sleep" in line], 5)
    receipt = job_client.receipt("killed.txt", etag)
    # It failed by itself as often as any file may, whatever became of the run before.
    assert receipt.attempt == 3
    assert "3 seconds" in str(receipt.error)


def test_nothing_is_left_of_ended_executions_but_their_logs(
    job_run: Run, job_client: Client, eventually: Eventually
) -> None:
    eventually(lambda: executions(job_run) == [])
    eventually(lambda: not any((job_run.data / "containers").iterdir()))
    logs = {path.stem for path in (job_run.data / "logs").glob("worker-*.log")}
    assert begun(job_run) <= logs


@pytest.mark.parametrize("order", [[JOB, "runner=containerInstances"], ["runner=containerInstances", JOB]])
def test_a_runner_takes_over_what_the_other_had_half_done(
    start: Start, config: list[str], tmp_path: Path, order: list[str]
) -> None:
    data = tmp_path / "data"
    first = start(data, *config, order[0])
    with client_of(first) as client:
        etags = {name: client.upload(name, b"slow") for name in ("one.txt", "two.txt", "three.txt")}
        assert wait_until(lambda: is_busy(first), 60)
    assert first.end() == 0
    second = start(data, *config, order[1])
    with client_of(second) as client:
        for name, etag in etags.items():
            receipt = client.receipt(name, etag)
            # What was given back is not counted.
            assert (receipt.status, receipt.attempt) == ("succeeded", 1)
    assert second.end() == 0
