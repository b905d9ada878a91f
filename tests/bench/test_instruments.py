"""What the benchmark measures with: times and shares, requests that are delayed, recorded and sent again."""

from __future__ import annotations

import json
import os

import pytest

from infra.local.services.azurite import Access
from pipeline_app.contract import StorageNames
from tests.bench.applications import Interval
from tests.bench.http_calls import Account, Answer, Connection
from tests.bench.imports import top
from tests.bench.latency import delayed
from tests.bench.recording import Call, recorded
from tests.bench.replay import FILE, MESSAGE, POP_RECEIPT, template
from tests.bench.small_files import span
from tests.bench.storage import Seen
from tests.bench.waiting import share


def test_time_counts_from_the_first_claim_to_the_last_delete() -> None:
    def seen(moment: float, method: str, path: str, status: int) -> Seen:
        return Seen(access=Access(method, f"account/{path}", {}, status), moment=moment)

    log = [
        seen(0, "PUT", "pipeline-files/incoming/a", 201),
        seen(1, "GET", "jobs/messages", 200),
        seen(2, "DELETE", "jobs/messages/1", 204),
        seen(4, "DELETE", "jobs/messages/2", 204),
        seen(8, "GET", "jobs/messages", 200),
        seen(9, "DELETE", "jobs/messages/1", 404),
    ]
    assert span(log) == 3


def test_share_is_of_the_time_between_the_first_start_and_the_last_end() -> None:
    runs = [Interval(end=2, name="a", start=1), Interval(end=5, name="b", start=3)]
    assert share(runs) == 75


def test_imports_are_summed_up_by_package() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:      2000 |       2000 | json\n"
        "import time:      1000 |       1000 |   azure.core.rest\n"
        "import time:      3000 |       4000 | azure.core\n"
    )
    assert top(text) == "imports take 6 ms under the profiler, most of it azure.core 4 ms, json 2 ms"
    with pytest.raises(ValueError, match="no report"):
        top("nothing")


def test_requests_through_the_delay_arrive_whole_and_in_order(connection_string: str) -> None:
    account = Account.parse(connection_string)
    body = os.urandom(3_000_000)
    with delayed(account, 0.02) as far:
        connection = Connection(far, far.blob)
        connection.must("PUT", "bench-delay", {"restype": "container"})
        for name in ("one", "two"):
            connection.must("PUT", f"bench-delay/{name}", headers={"x-ms-blob-type": "BlockBlob"}, body=body)
            assert connection.must("GET", f"bench-delay/{name}").body == body
        connection.must("DELETE", "bench-delay", {"restype": "container"})
        connection.close()


def test_recorded_requests_reach_the_storage_and_are_kept(connection_string: str) -> None:
    calls: list[Call] = []
    with recorded(Account.parse(connection_string), calls) as account:
        connection = Connection(account, account.blob)
        connection.must("PUT", "bench-recorded", {"restype": "container"})
        connection.must("PUT", "bench-recorded/a b", headers={"x-ms-blob-type": "BlockBlob"}, body=b"content")
        assert connection.must("GET", "bench-recorded/a b").body == b"content"
        assert connection.call("HEAD", "bench-recorded/none").status == 404
        connection.must("DELETE", "bench-recorded", {"restype": "container"})
        connection.close()
    assert [(call.method, call.path, call.answer.status) for call in calls] == [
        ("PUT", "bench-recorded", 201),
        ("PUT", "bench-recorded/a b", 201),
        ("GET", "bench-recorded/a b", 200),
        ("HEAD", "bench-recorded/none", 404),
        ("DELETE", "bench-recorded", 202),
    ]
    assert calls[1].body == b"content"
    assert "Authorization" not in calls[1].headers


def test_template_has_one_files_calls_and_no_others() -> None:
    names = StorageNames(container="c", input_path="incoming", output_path="outgoing")

    def message(number: int) -> bytes:
        text = json.dumps({"name": f"{names.input_path}/file-{number}.bin"})
        return (
            f"<QueueMessagesList><QueueMessage><MessageId>id-{number}</MessageId><MessageText>{text}</MessageText>"
            "</QueueMessage></QueueMessagesList>"
        ).encode()

    def call(method: str, path: str, answer: bytes = b"", **query: str) -> Call:
        service = "queue" if path.startswith("jobs") else "blob"
        return Call(
            answer=Answer(200, {}, answer),
            body=b"",
            headers={},
            method=method,
            path=path,
            query=query,
            service="queue" if service == "queue" else "blob",
        )

    calls = [
        call("GET", "jobs/messages", b"<QueueMessagesList/>"),
        call("GET", "jobs/messages", message(1)),
        call("GET", "c/incoming/file-1.bin"),
        call("GET", "jobs/messages", message(2)),
        call("GET", "c/incoming/file-2.bin"),
        call("DELETE", "jobs/messages/id-1", popreceipt="one"),
        call("DELETE", "jobs/messages/id-2", popreceipt="two"),
    ]
    steps = [(step.method, step.path, dict(step.query)) for step in template(calls, "file-2")]
    assert steps == [
        ("GET", "jobs/messages", {}),
        ("GET", f"c/incoming/{FILE}.bin", {}),
        ("DELETE", f"jobs/messages/{MESSAGE}", {"popreceipt": POP_RECEIPT}),
    ]
    with pytest.raises(ValueError, match="file-3"):
        template(calls, "file-3")
