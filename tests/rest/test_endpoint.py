"""The HTTP client against a service that misbehaves as the real ones may."""

from __future__ import annotations

import http.client
import threading
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline_app.rest import connections
from pipeline_app.rest.connections import PIECE_BYTES
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
from pipeline_app.worker.azure_ranges import FileRange
from tests.rest.scripted import OK, Act, Plain, endpoint, reply, serving


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits between tries, which take no time."""
    waits: list[float] = []
    monkeypatch.setattr("pipeline_app.rest.endpoint.time.sleep", waits.append)
    return waits


class Collected:
    """A sink that remembers each try's pieces."""

    def __init__(self) -> None:
        self.tries: list[list[bytes]] = []

    def __call__(self, headers: http.client.HTTPMessage) -> Callable[[memoryview], None]:
        self.tries.append([])
        return lambda piece: self.tries[-1].append(bytes(piece))


@pytest.mark.parametrize("path", ["/account", "/account/", "", "/"])
def test_a_request_says_what_it_is_and_what_it_may(path: str) -> None:
    with serving([OK]) as service, endpoint(service, path=path) as storage:
        answer = storage.call("PUT", "c/a b#?", {"comp": "x/y+", "z": "&"}, {"If-Match": '"0x1"'}, b"data")
    assert (answer.status, answer.body) == (200, b"fine")
    (seen,) = service.seen
    assert (seen.method, seen.body) == ("PUT", b"data")
    assert seen.url == f"{path.rstrip('/')}/c/a%20b%23%3F?comp=x%2Fy%2B&z=%26"
    assert {name: seen.headers[name] for name in ("authorization", "content-length", "if-match", "x-ms-version")} == {
        "authorization": "Number 1",
        "content-length": "4",
        "if-match": '"0x1"',
        "x-ms-version": "2024-11-04",
    }
    assert seen.headers["x-ms-date"].endswith(" GMT")


def test_requests_share_a_connection_and_threads_do_not() -> None:
    gate = threading.Barrier(2, timeout=60)

    def together(headers: http.client.HTTPMessage) -> Callable[[memoryview], None]:
        gate.wait()
        return lambda piece: None

    with serving([OK] * 7) as service, endpoint(service) as storage:
        for _ in range(3):
            storage.call("GET", "x")
        assert service.connections == 1
        threads = [threading.Thread(target=storage.call, args=("GET", "x"), kwargs={"sink": together}) for _ in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert service.connections == 2
        for _ in range(2):
            storage.call("GET", "x")
        assert service.connections == 2


@pytest.mark.parametrize("path", ["c/a.", "c/a./b", "c/...", "c/./a", "c/..", "c\\a"])
def test_no_request_is_made_for_a_path_that_the_service_takes_for_another(path: str) -> None:
    with serving([OK]) as service, endpoint(service) as storage:
        with pytest.raises(ValueError, match="stand for another name in Azure"):
            storage.call("DELETE", path)
        assert service.seen == []
        storage.call("GET", "c/.a/a.b")


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


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"fine", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine",
    ],
)
def test_a_connection_that_the_service_wants_closed_is_closed(answer: bytes) -> None:
    with serving([Act(answer=answer)] * 2) as service, endpoint(service) as storage:
        for _ in range(2):
            assert storage.call("GET", "x").body == b"fine"
        assert service.connections == 2


def test_an_interim_answer_is_passed_over() -> None:
    with (
        serving([Act(answer=b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200, b"fine"))]) as service,
        endpoint(service) as storage,
    ):
        assert storage.call("PUT", "x", body=b"data").body == b"fine"


# More than what the sockets of both sides can hold.
LARGE = 32 * 1024 * 1024


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("from_file", [False, True])
def test_a_refusal_before_the_whole_body_was_read_is_the_answer(
    tmp_path: Path, reused: bool, from_file: bool, waits: list[float]
) -> None:
    (tmp_path / "file").write_bytes(bytes(LARGE))
    body = (lambda: FileRange(tmp_path / "file", 0, LARGE)) if from_file else bytes(LARGE)
    refusal = Act(answer=reply(412, b"", "x-ms-error-code: ConditionNotMet"), close=True, read_body=False)
    with serving([OK, refusal] if reused else [refusal]) as service, endpoint(service) as storage:
        if reused:
            storage.call("GET", "x")
        with pytest.raises(StorageError) as raised:
            storage.call("PUT", "x", body=body, length=LARGE)
        assert (raised.value.status, raised.value.code) == (412, "ConditionNotMet")
        assert service.acts == []
        assert storage._connections._idle == []
    assert waits == []


def test_a_success_before_the_whole_body_was_read_is_none(waits: list[float]) -> None:
    hasty = Act(answer=reply(201), close=True, read_body=False)
    with serving([hasty, OK]) as service, endpoint(service) as storage:
        assert storage.call("PUT", "x", body=bytes(LARGE)).body == b"fine"
    assert len(waits) == 1


def test_a_busy_service_that_does_not_read_the_body_is_asked_again(tmp_path: Path, waits: list[float]) -> None:
    (tmp_path / "file").write_bytes(bytes(LARGE))
    busy = Act(answer=reply(503), close=True, read_body=False)
    with serving([busy, busy, OK]) as service, endpoint(service) as storage:
        storage.call("PUT", "x", body=lambda: FileRange(tmp_path / "file", 0, LARGE), length=LARGE)
    assert service.seen[-1].body == bytes(LARGE)
    assert len(waits) == 2


def test_each_try_sends_the_body_and_fills_the_sink_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    sink = Collected()
    cut = Act(answer=reply(200, b"half", length=8), close=True)
    whole = Act(answer=reply(200, b"half-all"))
    refused = Act(answer=reply(500, b"not for the sink"))
    with serving([cut, refused, whole]) as service, endpoint(service) as storage:
        body = lambda: FileRange(tmp_path / "file", 2, 5)  # noqa: E731 -- as the callers have it.
        storage.call("PUT", "x", body=body, length=5, sink=sink)
    assert [seen.body for seen in service.seen] == [b"23456"] * 3
    assert [b"".join(pieces) for pieces in sink.tries] == [b"half", b"half-all"]


def test_an_unknown_token_is_renewed_once(waits: list[float]) -> None:
    denied = Act(answer=reply(401, b"", "x-ms-error-code: InvalidAuthenticationInfo"))
    with serving([denied, OK]) as service, endpoint(service) as storage:
        assert storage.call("GET", "x").body == b"fine"
    assert [seen.headers["authorization"] for seen in service.seen] == ["Number 1", "Number 2"]
    with (
        serving([denied] * 2) as service,
        endpoint(service) as storage,
        pytest.raises(StorageError, match="InvalidAuthenticationInfo"),
    ):
        storage.call("GET", "x")
    with (
        serving([denied]) as service,
        endpoint(service, authorization=Plain(renews=False)) as storage,
        pytest.raises(StorageError, match="InvalidAuthenticationInfo"),
    ):
        storage.call("GET", "x")
    assert waits == []


def test_a_token_that_cannot_be_had_is_asked_for_again(waits: list[float]) -> None:
    class Late(Plain):
        def sign(
            self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]
        ) -> tuple[Mapping[str, str], Mapping[str, str]]:
            if len(waits) < 3:
                raise OSError("no token yet")
            return super().sign(method, target, query, headers)

    with serving([OK]) as service, endpoint(service, authorization=Late()) as storage:
        storage.call("GET", "x")
    assert len(waits) == 3


ERROR = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code><Message>The specified blob '
    b"does not exist.\nRequestId:1\nTime:2</Message></Error>"
)


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (reply(404, ERROR), "BlobNotFound", "HTTP 404 BlobNotFound: The specified blob does not exist."),
        (reply(404, ERROR, "x-ms-error-code: Other"), "Other", "HTTP 404 Other: The specified blob does not exist."),
        (reply(404, b"", "x-ms-error-code: Other"), "Other", "HTTP 404 Other:"),
        (reply(404, b"no such thing"), "", "HTTP 404 : no such thing"),
        (
            reply(307, b"", "Location: https://elsewhere/"),
            "",
            "HTTP 307 : The service is elsewhere: 'https://elsewhere/'. Set the endpoint to where it is.",
        ),
    ],
)
def test_a_refusal_says_its_code_and_why(answer: bytes, code: str, text: str) -> None:
    with (
        serving([Act(answer=answer)]) as service,
        endpoint(service) as storage,
        pytest.raises(StorageError) as raised,
    ):
        storage.call("GET", "x")
    assert (raised.value.code, str(raised.value)) == (code, text)


def test_metadata_have_their_names_in_lower_case() -> None:
    headers = ("X-Ms-Meta-Input_Etag: 0x1", "x-ms-meta-status: failed", "x-ms-metadata: not")
    with serving([Act(answer=reply(200, b"", *headers))]) as service, endpoint(service) as storage:
        assert storage.call("GET", "x").metadata() == {"input_etag": "0x1", "status": "failed"}


def test_an_answer_takes_no_more_memory_than_a_piece() -> None:
    pieces: list[int] = []

    def sink(headers: http.client.HTTPMessage) -> Callable[[memoryview], None]:
        return lambda piece: pieces.append(len(piece))

    with serving([Act(answer=reply(200, bytes(LARGE)))]) as service, endpoint(service) as storage:
        tracemalloc.start()
        try:
            storage.call("GET", "x", sink=sink)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert sum(pieces) == LARGE
    assert max(pieces) <= PIECE_BYTES
    assert peak < 3 * PIECE_BYTES


def test_a_request_s_body_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(bytes(LARGE))
    sizes: list[int] = []
    read = FileRange.read

    def counted(file: FileRange, size: int) -> bytes:
        sizes.append(size)
        return read(file, size)

    monkeypatch.setattr(FileRange, "read", counted)
    with serving([OK]) as service, endpoint(service) as storage:
        storage.call("PUT", "x", body=lambda: FileRange(tmp_path / "file", 0, LARGE), length=LARGE)
    assert service.seen[0].body == bytes(LARGE)
    assert max(sizes) <= PIECE_BYTES


def test_logs_show_no_signature(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with serving([Act(answer=reply(503)), OK]) as service, endpoint(service) as storage:
        storage.call("GET", "x", {"sig": "secret"})
    assert "GET /account/x: HTTP 503" in caplog.text
    assert "secret" not in caplog.text
