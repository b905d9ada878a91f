"""The function's host, with an app of the test's own on a real storage account."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from infra.local.data.folder import DataFolder
from infra.local.processes.supervisor import Supervisor
from infra.local.services.azurite import StorageAccount
from infra.local.services.functions import FunctionError, FunctionHost, Site, queued_name
from infra.local.services.hosting.function_host.queues import poll_seconds
from pipeline_app.contract.function_events import Dispatched, EventIgnored, Requeued
from tests.local.fakes import Eventually, Recorder

NUMBERS = count()
APP = """
import logging
import azure.functions as func
import helper

app = func.FunctionApp()
log = logging.getLogger("app")

@app.queue_trigger(arg_name="message", connection="STORE", queue_name="%QUEUE%")
def handle(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    log.info("body=%r count=%d", body, message.dequeue_count)
    if body.startswith("fail"):
        raise RuntimeError("it cannot be done")

@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
def tick(timer: func.TimerRequest) -> None:
    log.info("tick past_due=%s", timer.past_due)
    try:
        import infra
    except ImportError:
        log.info("the repository cannot be imported")
"""


class Setting:
    """An unpacked archive, a queue, and what the host tells."""

    def __init__(self, account: StorageAccount, folder: Path, supervisor: Supervisor, watcher: Recorder) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.name = f"queue-{next(NUMBERS)}"
        self.queued: list[str] = []
        self.root = folder / "root"
        self.root.mkdir()
        (self.root / "function_app.py").write_text(APP)
        (self.root / "helper.py").touch()
        self.options(maxDequeueCount=2, visibilityTimeout="00:00:00")
        self.settings = {
            "QUEUE": self.name,
            "SCHEDULE": "0 0 3 1 1 *",
            "STORE": account.connection_string,
        }
        self.watcher = watcher
        self.data = DataFolder(folder / "data")
        self._account = account
        self._supervisor = supervisor
        self.queue = self.queue_client(self.name)
        self.queue.create_queue()

    def options(self, **queues: object) -> None:
        """Write host.json."""
        (self.root / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))

    def queue_client(self, name: str) -> QueueClient:
        """Return a client of a queue."""
        return QueueClient.from_connection_string(self._account.connection_string, name)

    def start(self) -> None:
        """Start the host and wait until it listens."""
        site = Site(client_ids=frozenset(), name="site", settings=self.settings)
        host = FunctionHost(site, self.root, self.data, self.watcher, self._called, self.queued.append)
        host.start(self._supervisor)

    def _called(self, *call: str) -> None:
        function, message_id, outcome = call
        self.calls.append((function, message_id, outcome))

    def send(self, body: str) -> str:
        """Put a message on the queue as Event Grid does; return its id."""
        return str(self.queue.send_message(base64.b64encode(body.encode()).decode()).id)

    def said(self, text: str) -> int:
        """Return how many lines of the host hold a text."""
        return sum(text in line for _, line in [*self.watcher.logs, *self.watcher.warnings])


@pytest.fixture
def setting(account: StorageAccount, supervisor: Supervisor, tmp_path: Path, watcher: Recorder) -> Iterator[Setting]:
    """A setting whose host ends with the test."""
    made = Setting(account, tmp_path, supervisor, watcher)
    yield made
    supervisor.close()
    made.queue.close()
    made.data.release()


def test_a_message_is_decoded_handled_and_deleted(setting: Setting, eventually: Eventually) -> None:
    setting.start()
    identifier = setting.send("ünïcødé")
    eventually(lambda: setting.calls == [("handle", identifier, "done")])
    assert setting.said("body='ünïcødé' count=1") == 1
    assert setting.queue.get_queue_properties().approximate_message_count == 0


def test_a_job_is_told_where_the_log_says_so_and_not_for_each_call_that_went_well(
    setting: Setting, eventually: Eventually
) -> None:
    setting.start()
    setting.send("nothing to queue")
    identifier = setting.send("Queued 'a b' for event 'e'.")
    eventually(lambda: ("handle", identifier, "done") in setting.calls)
    eventually(lambda: len(setting.calls) == 2)
    # The body is quoted once more, so it is no line of the function's own.
    assert setting.queued == []


@pytest.mark.parametrize("name", ["incoming/a b.csv", 'incoming/it\'s "quoted" \\ ü\n.csv', "incoming/Queued 'x'"])
def test_the_name_of_a_job_is_read_from_what_the_function_logs(name: str) -> None:
    date = "2026-01-01T00:00:00.000Z"
    dispatched = Dispatched(etag="0x1", event_id="e-1", name=name, size=1)
    assert queued_name(f"{date} INFO {dispatched}") == name
    assert queued_name(f"{date} WARNING {Requeued(etag='0x1', event_id='e-1', name=name, size=1)}") == name
    assert queued_name(f"{date} WARNING {EventIgnored(reason=str(dispatched))}") is None
    assert queued_name(f"{date} WARNING it got {dispatched}") is None


def test_a_failing_message_is_tried_as_often_as_host_json_says_and_then_poison(
    setting: Setting, eventually: Eventually
) -> None:
    setting.start()
    identifier = setting.send("fail please")
    eventually(lambda: ("handle", identifier, "poison") in setting.calls)
    assert setting.calls == [("handle", identifier, "failed"), ("handle", identifier, "poison")]
    assert setting.queue.get_queue_properties().approximate_message_count == 0
    with setting.queue_client(f"{setting.name}-poison") as poison:
        (message,) = poison.peek_messages()
    assert base64.b64decode(message.content) == b"fail please"
    assert setting.said("it cannot be done") >= 2


def test_a_failed_message_comes_back_after_the_visibility_timeout_and_not_before(
    setting: Setting, eventually: Eventually
) -> None:
    setting.options(maxDequeueCount=2, visibilityTimeout="00:00:02")
    setting.start()
    setting.send("fail slowly")
    eventually(lambda: len(setting.calls) == 1)
    start = time.monotonic()
    eventually(lambda: len(setting.calls) == 2)
    assert 1 < time.monotonic() - start < 6


def test_what_is_not_base64_is_poison_at_once(setting: Setting, eventually: Eventually) -> None:
    setting.start()
    setting.queue.send_message("{not base64}")
    eventually(lambda: [outcome for _, _, outcome in setting.calls] == ["poison"])
    assert setting.said("count=") == 0


def test_plain_messages_are_served_where_host_json_says_so(setting: Setting, eventually: Eventually) -> None:
    setting.options(messageEncoding="none")
    setting.start()
    setting.queue.send_message("{plain}")
    eventually(lambda: setting.said("body='{plain}' count=1") == 1)


def test_a_timer_fires_on_its_schedule_without_the_repository_in_reach(
    setting: Setting, eventually: Eventually
) -> None:
    setting.settings["SCHEDULE"] = "* * * * * *"
    setting.start()
    eventually(lambda: setting.said("tick past_due=False") >= 2)
    assert setting.said("the repository cannot be imported") >= 1


def test_a_timer_makes_up_for_a_time_that_passed_while_no_host_ran(setting: Setting, eventually: Eventually) -> None:
    memory = setting.data.folder("function", "timers") / "tick"
    memory.touch()
    two_years_ago = time.time() - 2 * 366 * 24 * 3600
    os.utime(memory, (two_years_ago, two_years_ago))
    setting.start()
    eventually(lambda: setting.said("tick past_due=True") == 1)


Break = Callable[[Setting], None]


def wrong_import(setting: Setting) -> None:
    (setting.root / "helper.py").write_text("import nowhere")


def wrong_schedule(setting: Setting) -> None:
    setting.settings["SCHEDULE"] = "* * * * *"


def missing_setting(setting: Setting) -> None:
    del setting.settings["STORE"]


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (wrong_import, "No module named 'nowhere'"),
        (wrong_schedule, "must be a six-field NCRONTAB"),
        (missing_setting, "KeyError: 'STORE'"),
    ],
)
def test_an_app_that_does_not_start_is_told_with_the_reason(setting: Setting, break_it: Break, reason: str) -> None:
    break_it(setting)
    with pytest.raises(FunctionError, match=reason):
        setting.start()


def test_a_message_of_a_host_that_is_told_to_end_is_handled_to_its_end(
    setting: Setting, supervisor: Supervisor, eventually: Eventually
) -> None:
    (setting.root / "helper.py").write_text("")
    slow = APP.replace("    if body.startswith", "    __import__('time').sleep(1.5)\n    if body.startswith")
    (setting.root / "function_app.py").write_text(slow)
    setting.start()
    identifier = setting.send("slow")
    eventually(lambda: setting.said("body='slow'") == 1)
    (child,) = supervisor.running()
    supervisor.stop(child)
    eventually(lambda: setting.calls == [("handle", identifier, "done")])
    assert setting.queue.get_queue_properties().approximate_message_count == 0


def test_a_queue_that_nobody_uses_is_looked_at_seldom_but_as_often_as_azure_would() -> None:
    host = json.loads((Path(__file__).parents[3] / "function" / "host.json").read_text(encoding="utf-8"))
    hours, minutes, seconds = map(float, host["extensions"]["queues"]["maxPollingInterval"].split(":"))
    pauses = [poll_seconds(quiet) for quiet in (0, 9, 11, 59, 61, 86_400)]
    assert pauses == [0.05, 0.05, 0.25, 0.25, 1.0, 1.0]
    assert max(pauses) <= hours * 3600 + minutes * 60 + seconds
