"""What the host hands over at a time, and what becomes of it when it is cancelled or its worker is killed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from infra.components.function_app import WORKER_THREADS
from tests.function.real_worker.gate import Gate, through
from tests.function.real_worker.host import WorkerEndedError
from tests.function.real_worker.setting import (
    HOST_JSON,
    SECONDS,
    Hosts,
    event,
    job_names,
)


def at_once() -> int:
    """Return how many messages the host hands to one worker at a time."""
    queues = json.loads(HOST_JSON.read_text(encoding="utf-8"))["extensions"]["queues"]
    return int(queues["batchSize"]) + int(queues["newBatchThreshold"])


@pytest.fixture
def gate(connection_string: str) -> Iterator[Gate]:
    """Serve the queues behind a gate that opens for as many as the host sends at a time."""
    parts = dict(part.partition("=")[::2] for part in connection_string.split(";") if part)
    with Gate(int(parts["QueueEndpoint"].split(":")[2].split("/")[0]), at_once()) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.opened.set()
        made.shutdown()
        thread.join()


def test_all_that_the_host_hands_over_at_a_time_runs_at_that_time(
    hosts: Hosts, app: Path, settings: dict[str, str], jobs: QueueClient, gate: Gate
) -> None:
    connection = through(gate, settings["APP_STORAGE_CONNECTION"])
    threads = {"PYTHON_THREADPOOL_THREAD_COUNT": str(WORKER_THREADS)}
    host = hosts.start(app, settings | threads | {"APP_STORAGE_CONNECTION": connection})
    names = [f"incoming/{number:02}.csv" for number in range(at_once())]
    running = [host.deliver("dispatch", event(name)) for name in names]
    assert gate.opened.wait(SECONDS)
    for _, future in running:
        assert host.succeeded(future.result(SECONDS))
    assert job_names(jobs) == names


def test_a_cancelled_invocation_goes_on_and_one_whose_worker_is_killed_is_done_by_the_next(
    hosts: Hosts, app: Path, settings: dict[str, str], jobs: QueueClient, gate: Gate
) -> None:
    connection = through(gate, settings["APP_STORAGE_CONNECTION"])
    host = hosts.start(app, settings | {"APP_STORAGE_CONNECTION": connection})
    invocation, future = host.deliver("dispatch", event("incoming/a.csv"))
    assert gate.arrived.acquire(timeout=SECONDS)
    host.cancel(invocation)
    # The worker knows no cancellation, so whatever is asked of it next is answered, and the invocation goes on.
    assert host.succeeded(host.index())
    assert not future.done()
    host.kill()
    with pytest.raises(WorkerEndedError):
        future.result(SECONDS)
    gate.opened.set()
    host = hosts.start(app, settings)
    answer = host.deliver("dispatch", event("incoming/a.csv"), dequeue_count=2)[1].result(SECONDS)
    assert host.succeeded(answer), answer
    assert set(job_names(jobs)) == {"incoming/a.csv"}
