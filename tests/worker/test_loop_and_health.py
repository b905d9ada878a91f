"""The worker as a whole: it drains the queue, ends by itself, stops when told, and says how it is."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_app.contract import ContractError
from pipeline_app.worker import health, loop
from pipeline_app.worker.job import Outcome, Processed
from pipeline_app.worker.loop import Drain
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.status import Status
from pipeline_app.worker.storage import Message
from tests.worker.fakes import FakeJobQueue, Outage

ENVIRONMENT = {
    "APP_ALIAS": "app",
    "APP_STORAGE_CONNECTION": "x",
    "APP_STORAGE_CONTAINER": "c",
    "APP_STORAGE_INPUT_PATH": "incoming",
    "APP_STORAGE_OUTPUT_PATH": "outgoing",
}


class Processor:
    """Stands in for JobProcessor: deletes each message, or does what the test says."""

    def __init__(self, queue: FakeJobQueue, act: Callable[[Message], Processed] | None = None) -> None:
        self._queue = queue
        self.act = act
        self.seen: list[str] = []

    def process(self, message: Message, started: Callable[[str, int], None]) -> Processed:
        started(message.content, 1)
        self.seen.append(message.content)
        if self.act:
            return self.act(message)
        self._queue.delete(message)
        return Processed(outcome=Outcome.SUCCEEDED)


def drain(queue: FakeJobQueue, processor: Processor, **changes: Any) -> tuple[Drain, Status, threading.Event]:
    options: dict[str, Any] = {"claim_seconds": 60, "idle_seconds": 0.0, "slots": 1} | changes
    status = Status(image="i", release="r", slots=options["slots"], stale_seconds=60)
    stopping = threading.Event()
    is_transient = lambda error: isinstance(error, Outage)  # noqa: E731
    made = Drain(queue, processor, status, stopping, is_transient=is_transient, **options)  # type: ignore[arg-type]
    return made, status, stopping


@pytest.mark.parametrize("slots", [1, 4])
def test_all_messages_are_processed_once_and_then_the_worker_ends(slots: int) -> None:
    queue = FakeJobQueue()
    for number in range(20):
        queue.put(str(number))
    processor = Processor(queue)
    worker, status, _ = drain(queue, processor, slots=slots)
    assert worker.run() is True
    assert sorted(processor.seen, key=int) == [str(number) for number in range(20)]
    assert status.snapshot()["counts"] == {"succeeded": 20}


def test_a_worker_stays_while_another_holds_a_message_that_may_come_back() -> None:
    queue = FakeJobQueue()
    queue.put("held by a worker that was killed")
    queue.receive(60)
    processor = Processor(queue)
    worker, _, _ = drain(queue, processor)
    threading.Timer(0.3, lambda: setattr(queue, "clock", 61.0)).start()
    assert worker.run() is True
    assert processor.seen == ["held by a worker that was killed"]


def test_a_message_given_back_keeps_the_worker_up_until_it_is_due() -> None:
    queue = FakeJobQueue()
    queue.put("file")

    def fail_once(message: Message) -> Processed:
        if message.dequeue_count == 1:
            queue.give_back(message, message.content, 0.5)
            threading.Timer(0.5, lambda: setattr(queue, "clock", 1.0)).start()
            return Processed(again_in=0.5, outcome=Outcome.GIVEN_BACK)
        queue.delete(message)
        return Processed(outcome=Outcome.SUCCEEDED)

    worker, status, _ = drain(queue, Processor(queue, fail_once), claim_seconds=0)
    assert worker.run() is True
    assert status.snapshot()["counts"] == {"given back": 1, "succeeded": 1}


def test_a_worker_told_to_stop_claims_no_more() -> None:
    queue = FakeJobQueue()
    queue.put("1")
    queue.put("2")
    processor = Processor(queue)
    worker, _, stopping = drain(queue, processor, idle_seconds=60)

    def stop(message: Message) -> Processed:
        stopping.set()
        return Processed(outcome=Outcome.GIVEN_BACK)

    processor.act = stop
    assert worker.run() is True
    assert processor.seen == ["1"]


def test_an_outage_of_the_queue_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OUTAGE_SECONDS", 0.01)
    queue = FakeJobQueue()
    queue.put("file")
    receive, outages = queue.receive, iter(range(5))

    def flaky(claim_seconds: int) -> Message | None:
        if next(outages, None) is not None:
            raise Outage
        return receive(claim_seconds)

    monkeypatch.setattr(queue, "receive", flaky)
    processor = Processor(queue)
    worker, _, _ = drain(queue, processor)
    assert worker.run() is True
    assert processor.seen == ["file"]


def test_an_error_of_the_workers_own_breaks_it_off_and_is_reported() -> None:
    queue = FakeJobQueue()
    queue.put("file")
    worker, status, _ = drain(queue, Processor(queue, lambda message: 1 / 0), slots=2, idle_seconds=60)  # type: ignore[arg-type,return-value]
    assert worker.run() is False
    assert status.snapshot()["counts"] == {"broken off": 1}


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


def test_an_idle_slot_that_no_longer_looks_at_the_queue_is_unhealthy_and_a_busy_one_is_not() -> None:
    status = Status(image="i", release="r", slots=1, stale_seconds=-1)
    with health.serve(status, 0) as port:
        assert get(port, "/healthz")[0] == 503
        status.begin(0, "incoming/a", 1)
        assert get(port, "/healthz")[0] == 200


def test_settings_have_the_documented_defaults() -> None:
    settings = WorkerSettings.from_environment(ENVIRONMENT)
    assert (settings.health_port, settings.max_attempts, settings.slots) == (5000, 3, 1)
    assert (settings.runtime_config, settings.export_config, settings.log_file) == (None, None, None)
    assert str(settings.share) == "/mnt/azurefiles"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("APP_ALIAS", "", "APP_ALIAS is missing"),
        ("APP_STORAGE_CONTAINER", "", "APP_STORAGE_CONTAINER is missing"),
        ("APP_MAX_ATTEMPTS", "0", "APP_MAX_ATTEMPTS is '0'; it must be a number from 1 to 100"),
        ("APP_MAX_ATTEMPTS", "many", "APP_MAX_ATTEMPTS is 'many'"),
        ("APP_IDLE_SECONDS", "nan", "APP_IDLE_SECONDS is 'nan'"),
        ("APP_CLAIM_SECONDS", "604801", "from 1 to 604800"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        WorkerSettings.from_environment(ENVIRONMENT | {name: value})
