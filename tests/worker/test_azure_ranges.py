"""Large files: the ranges and blocks they move in, whatever the service answers."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future
from http.client import HTTPMessage as Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline_app.rest.endpoint import StorageError, StorageUnreachable
from pipeline_app.rest.exchange import Sink
from pipeline_app.worker import azure_ranges
from tests.rest.scripted import Act, endpoint, reply, serving

MIB = 1024 * 1024


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_app.rest.endpoint.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_waits")
def test_a_try_that_broke_off_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    cut = Act(answer=reply(206, b"longer", "Content-Range: bytes 0-8/9", length=9), close=True)
    whole = Act(answer=reply(206, b"new", "Content-Range: bytes 0-2/3"))
    with serving([cut, whole]) as service, endpoint(service) as storage:
        _, sha256 = azure_ranges.download(storage, "x", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert sha256 == hashlib.sha256(b"new").hexdigest()


def test_a_range_that_comes_short_is_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_ranges, "RANGE_BYTES", 4)
    monkeypatch.setattr(azure_ranges, "SINGLE_BYTES", 4)
    first = Act(answer=reply(206, b"abcd", "Content-Range: bytes 0-3/8", 'ETag: "0x1"'))
    short = Act(answer=reply(206, b"ef", "Content-Range: bytes 4-5/8", 'ETag: "0x1"'))
    with (
        serving([first, short]) as service,
        endpoint(service) as storage,
        pytest.raises(StorageUnreachable, match="bytes=4-7 of 'x' came with 2 bytes"),
    ):
        azure_ranges.download(storage, "x", tmp_path / "file")
    assert [seen.headers.get("if-match") for seen in service.seen] == [None, '"0x1"']


@pytest.mark.parametrize("size", [0, 1, 100 * 1024 * MIB, 4 * 1024 * 1024 * MIB, 4_980_736 * MIB])
def test_a_file_of_any_size_fits_into_the_blocks_of_a_blob(size: int) -> None:
    step = azure_ranges.block_bytes(size)
    assert -(-size // step) <= azure_ranges.MAX_BLOCKS <= 50_000
    assert azure_ranges.RANGE_BYTES <= step <= 4000 * MIB


def test_of_a_large_file_only_some_ranges_are_under_way() -> None:
    begun: list[int] = []
    most = []

    def follow(offset: int, done: Future[None]) -> None:
        done.result()
        followed.append(offset)
        most.append(len(begun) - len(followed))

    followed: list[int] = []
    azure_ranges._in_order(begun.append, range(0, 1000, 10), follow)
    assert followed == list(range(0, 1000, 10))
    assert max(most) <= 2 * azure_ranges.PARALLEL_RANGES


def ranged(monkeypatch: pytest.MonkeyPatch, parallel: int) -> None:
    """Let files of some 20 bytes be large: ranges of 8 bytes after the first 4, which are told of one by one."""
    monkeypatch.setattr(azure_ranges, "PARALLEL_RANGES", parallel)
    monkeypatch.setattr(azure_ranges, "RANGE_BYTES", 8)
    monkeypatch.setattr(azure_ranges, "SINGLE_BYTES", 4)
    monkeypatch.setattr(azure_ranges, "TOLD_BYTES", 1)


def part(text: str, first: int, size: int, *, cut: int | None = None) -> Act:
    """Answer with a range that begins at ``first``, or with so many bytes of it and no more."""
    head = f"Content-Range: bytes {first}-{first + len(text) - 1}/{size}"
    content = text.encode()[:cut]
    return Act(answer=reply(206, content, head, 'ETag: "0x1"', length=len(text)), close=cut is not None)


@pytest.mark.usefixtures("no_waits")
def test_a_range_that_broke_off_is_fetched_again_and_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranged(monkeypatch, parallel=1)
    acts = [part("abcd", 0, 14), part("efghijkl", 4, 14, cut=5), part("efghijkl", 4, 14), part("mn", 12, 14)]
    with serving(acts) as service, endpoint(service) as storage:
        _, sha256 = azure_ranges.download(storage, "x", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"abcdefghijklmn"
    assert sha256 == hashlib.sha256(b"abcdefghijklmn").hexdigest()
    assert [seen.headers["x-ms-range"] for seen in service.seen] == ["bytes=0-3", *["bytes=4-11"] * 2, "bytes=12-13"]


def test_a_range_is_hashed_while_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranged(monkeypatch, parallel=1)
    hashed = threading.Event()
    taken: list[bytes] = []

    def call(*_arguments: object, headers: dict[str, str], sink: Sink) -> None:
        take = sink(Message())
        take(memoryview(b"efgh"))
        # The rest comes once the first half is hashed.
        assert hashed.wait(10)
        take(memoryview(b"ijkl"))

    def update(piece: memoryview) -> None:
        taken.append(bytes(piece))
        hashed.set()

    with (tmp_path / "file").open("w+b") as target:
        azure_ranges._rest(cast("Any", SimpleNamespace(call=call)), "x", target.fileno(), 12, '"0x1"', update)
    assert b"".join(taken) == b"efghijkl"


def test_a_range_that_fails_ends_the_download_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranged(monkeypatch, parallel=1)
    acts = [
        part("abcd", 0, 20),
        part("efghijkl", 4, 20),
        Act(answer=reply(412, b"", "x-ms-error-code: ConditionNotMet")),
    ]
    with serving(acts) as service, endpoint(service) as storage, pytest.raises(StorageError, match="ConditionNotMet"):
        azure_ranges.download(storage, "x", tmp_path / "file")
    assert len(service.seen) == 3


def test_a_file_that_lacks_what_was_written_to_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranged(monkeypatch, parallel=1)

    def call(*_arguments: object, headers: dict[str, str], sink: Sink) -> None:
        sink(Message())(memoryview(b"efghijkl"))

    monkeypatch.setattr(azure_ranges, "_write", lambda _target, piece, _position: len(piece))

    with (tmp_path / "file").open("w+b") as target, pytest.raises(OSError, match="became shorter while it came"):
        azure_ranges._rest(cast("Any", SimpleNamespace(call=call)), "x", target.fileno(), 12, '"0x1"', lambda _: None)
