"""What the worker tells of itself, and when it is unhealthy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from pipeline_app.rest.connections import CONNECT_SECONDS, READ_SECONDS
from pipeline_app.rest.endpoint import MAX_RETRY_AFTER_SECONDS, RETRIES
from pipeline_app.worker import health
from pipeline_app.worker.loop import GIVE_UP_SECONDS
from pipeline_app.worker.status import STALE_SECONDS, Status
from tests.memory.worker import MemoryQueue
from tests.worker.looping import drain


def get(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_health_and_status_are_served() -> None:
    status = Status(image="i@sha256:1", release="r", slots=2, stale_seconds=60)
    with health.serve(status, 0) as port:
        assert get(port, "/healthz") == (200, {"healthy": True})
        status.begin(1, "incoming/a", 2)
        code, state = get(port, "/status")
        assert code == 200
        assert (state["image"], state["release"]) == ("i@sha256:1", "r")
        assert [slot["input"] for slot in state["slots"]] == [None, "incoming/a"]
        assert get(port, "/nonsense")[0] == 404


def test_a_worker_is_unhealthy_only_if_a_slot_hangs_and_nobody_holds_a_message() -> None:
    status = Status(image="i", release="r", slots=2, stale_seconds=-1)
    held = False
    status.watch(lambda: held)
    with health.serve(status, 0) as port:
        assert get(port, "/healthz")[0] == 503
        # The probe kills all slots at once.
        held = True
        assert get(port, "/healthz")[0] == 200
        held = False
        status.begin(0, "incoming/a", 1)
        assert get(port, "/healthz")[0] == 503
        # One that has ended looks no more.
        status.end(1)
        assert get(port, "/healthz")[0] == 200


def test_an_outage_of_the_storage_makes_nobody_unhealthy_before_the_worker_gives_up() -> None:
    """One look at the queue may take the time of all its tries; see ``pipeline_app/rest/endpoint.py``."""
    token, tries = 6 * 60.0, RETRIES + 1
    request = tries * (CONNECT_SECONDS + READ_SECONDS) + RETRIES * MAX_RETRY_AFTER_SECONDS
    assert max(GIVE_UP_SECONDS, token + request) < STALE_SECONDS


def test_a_slot_that_has_ended_is_not_missed_while_others_work() -> None:
    queue = MemoryQueue()
    queue.put("long")
    worker, processor, status, _ = drain(queue, slots=2)
    status._stale_seconds = -1
    seen: list[bool] = []
    processor.acts["run", "long"] = lambda: seen.append(status.healthy)
    assert worker.run() is True
    assert seen == [True]
    assert status.healthy
