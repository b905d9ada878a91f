"""What is tried again, how often and after which waits, and what is told at once."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from pipeline_app.rest import connections
from pipeline_app.rest.endpoint import (
    MAX_RETRY_AFTER_SECONDS,
    RETRIED_STATUS,
    RETRIES,
    Endpoint,
    StorageError,
    StorageUnreachable,
    StorageUnreadable,
)
from pipeline_app.rest.exchange import MAX_HEADERS
from tests.rest.scripted import OK, Act, Plain, endpoint, reply, serving
from tests.rest.sinks import Collected


@pytest.mark.parametrize("status", sorted(RETRIED_STATUS))
def test_what_may_pass_is_tried_again(status: int, waits: list[float]) -> None:
    with serving([Act(answer=reply(status, b"later"))] * 2 + [OK]) as service, endpoint(service) as storage:
        assert storage.call("PUT", "x", body=b"data").body == b"fine"
    assert [seen.body for seen in service.seen] == [b"data"] * 3
    assert len({seen.headers["x-ms-client-request-id"] for seen in service.seen}) == 1
    assert [round(wait / 2) for wait in waits] == [1, 2]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 416, 501])
def test_what_does_not_pass_is_told_at_once(status: int, waits: list[float]) -> None:
    with (
        serving([Act(answer=reply(status))]) as service,
        endpoint(service) as storage,
        pytest.raises(StorageError) as raised,
    ):
        storage.call("GET", "x")
    assert raised.value.status == status
    assert waits == []


def test_tries_are_bounded_and_the_waits_between_them_grow(waits: list[float]) -> None:
    with (
        serving([Act(answer=reply(503))] * (RETRIES + 1)) as service,
        endpoint(service) as storage,
        pytest.raises(StorageError) as raised,
    ):
        storage.call("GET", "x")
    assert raised.value.status == 503
    assert len(service.seen) == RETRIES + 1
    for wait, expected in zip(waits, (2, 4, 8, 16, 32), strict=True):
        assert expected - 1 <= wait <= expected + 1


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        ("7", 7, 7),
        ("1", 1, 3),
        ("999999999", MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS),
        ("9" * 400, MAX_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS),
        ("-5", 1, 3),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 1, 3),
    ],
)
def test_the_service_s_own_wait_is_kept_within_reason(said: str, low: float, high: float, waits: list[float]) -> None:
    busy = Act(answer=reply(429, b"", f"Retry-After: {said}"))
    with serving([busy, OK]) as service, endpoint(service) as storage:
        storage.call("GET", "x")
    assert low <= waits[0] <= high


NO_ANSWERS = {
    "closed before the answer": Act(close=True),
    "reset before the answer": Act(reset=True),
    "closed in the status line": Act(answer=b"HTTP/1.1 2", close=True),
    "closed in the headers": Act(answer=b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
    "closed in the body": Act(answer=reply(200, b"fi", length=4), close=True),
    "closed in a chunk": Act(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfi", close=True),
    "closed after a chunk": Act(answer=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n", close=True),
    "of unknown length": Act(answer=b"HTTP/1.0 200 OK\r\n\r\nfi", close=True),
    "rubbish": Act(answer=b"rubbish\r\n\r\n", close=True),
}


@pytest.mark.parametrize("broken", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
@pytest.mark.parametrize("to_sink", [False, True])
def test_a_broken_answer_is_no_answer(broken: Act, to_sink: bool, waits: list[float]) -> None:
    sink = Collected() if to_sink else None
    with serving([broken, broken, OK]) as service, endpoint(service) as storage:
        body = storage.call("GET", "x", sink=sink).body
    assert (b"".join(sink.tries[-1]) if sink else body) == b"fine"
    assert len(waits) == 2
    with (
        serving([broken] * (RETRIES + 1)) as service,
        endpoint(service) as storage,
        pytest.raises(StorageUnreachable, match=r"GET /account/x at 127\.0\.0\.1"),
    ):
        storage.call("GET", "x", sink=sink)


def test_a_blob_may_have_as_many_metadata_as_the_service_takes(waits: list[float]) -> None:
    """8 KiB of them, each a header: http.client alone would take no more than some 90."""
    metadata = [f"x-ms-meta-k{number}: {number}" for number in range(1000)]
    assert sum(len(each) - len("x-ms-meta-: ") for each in metadata) < 8192
    with serving([Act(answer=reply(200, b"fine", *metadata))]) as service, endpoint(service) as storage:
        answer = storage.call("GET", "x")
    assert answer.metadata() == {f"k{number}": str(number) for number in range(1000)}
    assert waits == []


UNREADABLE = {
    "an endless header": (reply(200, b"", f"x: {'y' * 70_000}"), "header line"),
    "an endless status line": (b"HTTP/1.1 200 " + b"y" * 70_000 + b"\r\n\r\n", "status line"),
    "another protocol": (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0"),
    "more headers than there can be": (reply(200, b"", *["x: y"] * (MAX_HEADERS + 1)), "got more than 10000 headers"),
}


@pytest.mark.parametrize(("answer", "says"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_and_would_come_again_is_told_at_once(answer: bytes, says: str, waits: list[float]) -> None:
    with (
        serving([Act(answer=answer, close=True)]) as service,
        endpoint(service) as storage,
        pytest.raises(StorageUnreadable, match=says),
    ):
        storage.call("GET", "x")
    assert waits == []


def test_the_waits_between_tries_can_be_somebody_else_s(waits: list[float]) -> None:
    paused: list[float] = []
    with (
        serving([Act(answer=reply(503)), OK]) as service,
        closing(Endpoint(f"http://127.0.0.1:{service.port}/x", Plain(), pause=paused.append)) as storage,
    ):
        storage.call("GET", "x")
    assert len(paused) == 1
    assert waits == []


def test_a_service_that_is_not_there_is_unreachable(waits: list[float]) -> None:
    with serving([]) as service:
        pass
    with endpoint(service) as storage, pytest.raises(StorageUnreachable, match="ConnectionRefusedError"):
        storage.call("GET", "x")
    assert len(waits) == RETRIES


def test_a_service_that_says_nothing_is_waited_for_no_longer_than_the_time_allowed(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 0.1)
    with (
        serving([Act()] * (RETRIES + 1)) as service,
        endpoint(service) as storage,
        pytest.raises(StorageUnreachable, match="TimeoutError"),
    ):
        storage.call("GET", "x")
    assert len(waits) == RETRIES


@pytest.mark.parametrize("last", [Act(answer=reply(200), close=True), Act(answer=reply(200))])
def test_a_connection_that_went_stale_is_replaced_and_is_no_failed_try(last: Act, waits: list[float]) -> None:
    with serving([last]) as service:
        storage = Endpoint(f"http://127.0.0.1:{service.port}", Plain())
        storage.call("GET", "x")
    with serving([OK]) as again, closing(storage):
        # The idle connection leads to the service that is gone.
        storage._connections._address = ("127.0.0.1", again.port)
        assert len(storage._connections._idle) == 1
        assert storage.call("PUT", "x", body=b"data").body == b"fine"
        assert [seen.body for seen in again.seen] == [b"data"]
    assert waits == []


def test_a_request_is_repeated_only_once_for_stale_connections(waits: list[float]) -> None:
    gate = threading.Barrier(3, timeout=60)

    def together(headers: http.client.HTTPMessage) -> Callable[[memoryview], None]:
        gate.wait()
        return lambda piece: None

    lost = Act(reset=True)
    with serving([OK] * 3 + [lost, OK]) as service, endpoint(service) as storage:
        threads = [threading.Thread(target=storage.call, args=("GET", "x"), kwargs={"sink": together}) for _ in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert storage.call("GET", "x").body == b"fine"
        assert service.connections == 4
    assert waits == []
