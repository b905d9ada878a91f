"""The HTTP client against a service that misbehaves as the real ones may."""

from __future__ import annotations

import http.client
import threading
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline_app.rest.connections import PIECE_BYTES
from pipeline_app.rest.endpoint import (
    StorageError,
)
from pipeline_app.worker.azure_ranges import FileRange
from tests.rest.scripted import OK, Act, Plain, endpoint, reply, serving
from tests.rest.sinks import Collected


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
