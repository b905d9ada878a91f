"""Large files: the ranges and blocks they move in, whatever the service answers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline_app.worker import azure_ranges
from pipeline_app.worker.azure_http import StorageUnreachable
from tests.worker.scripted import Act, endpoint, reply, serving

MIB = 1024 * 1024


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_app.worker.azure_http.time.sleep", lambda seconds: None)


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


def test_of_a_large_file_only_some_ranges_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    done = azure_ranges._each(begun.append, range(0, 10**9, 10))
    assert [next(done) for _ in range(3)] == [0, 10, 20]
    assert len(begun) <= 3 + azure_ranges.PARALLEL_RANGES
    cast("Any", done).close()
