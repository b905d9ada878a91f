"""Writers and readers of one blob at the same time: conditions, blocks, and versions that change."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipeline_app.rest.endpoint import Endpoint, StorageUnreachable
from pipeline_app.rest.exchange import Answer
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.storage import Conflict
from tests.worker.azure_files import LARGE, write, writer


@pytest.mark.parametrize("size", [0, 10, LARGE + 1])
def test_conditions_are_kept_for_small_and_large_files(store: AzureBlobStore, tmp_path: Path, size: int) -> None:
    source = write(tmp_path / "source", size)
    first = store.put_file("x", source, expected=None, metadata={}, writer=writer())
    with pytest.raises(Conflict):
        store.put_file("x", source, expected=None, metadata={}, writer=writer())
    second = store.put_file("x", source, expected=first, metadata={}, writer=writer())
    assert second != first
    with pytest.raises(Conflict):
        store.put_file("x", source, expected=first, metadata={}, writer=writer())
    with pytest.raises(Conflict):
        store.put_file("absent", source, expected=first, metadata={}, writer=writer())
    with pytest.raises(Conflict):
        store.read("x", first, 0, 1)
    with pytest.raises(Conflict):
        store.delete("x", first)
    store.delete("x", second)
    with pytest.raises(Conflict):
        store.delete("x", second)
    assert store.head("x") is None


def test_blocks_of_two_writers_of_one_name_never_mix(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = write(tmp_path / "mine", 3 * LARGE + 5), write(tmp_path / "theirs", 3 * LARGE + 5)
    call = Endpoint.call
    staged = []

    def late(self: Endpoint, method: str, path: str, query: Any = None, *args: Any, **kwargs: Any) -> Answer:
        if (query or {}).get("comp") == "blocklist":
            staged.append(path)
            if len(staged) == 2:
                raise StorageUnreachable("The other writer is lost before it commits its blocks.")
            # The other writer stages all its blocks after this one staged its own and before it commits them.
            with pytest.raises(StorageUnreachable):
                store.put_file("x", theirs, expected=None, metadata={}, writer=writer())
        return call(self, method, path, query, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    store.put_file("x", mine, expected=None, metadata={}, writer=writer())
    assert len(staged) == 2
    store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == mine.read_bytes()


@pytest.mark.refused("InvalidBlockList")
@pytest.mark.parametrize("size", [10, 3 * LARGE + 5])
def test_a_writer_whose_blocks_were_swept_away_by_another_is_told_of_a_conflict(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    before = store.put_bytes("x", b"before", expected=None, metadata={})
    theirs = write(tmp_path / "theirs", size)
    call = Endpoint.call

    def late(self: Endpoint, method: str, path: str, query: Any = None, *args: Any, **kwargs: Any) -> Answer:
        if (query or {}).get("comp") == "blocklist":
            monkeypatch.undo()
            store.put_file("x", theirs, expected=before, metadata={}, writer=writer())
        return call(self, method, path, query, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    with pytest.raises(Conflict):
        store.put_file("x", write(tmp_path / "mine", 3 * LARGE), expected=before, metadata={}, writer=writer())
    store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == theirs.read_bytes()


def test_a_blob_overwritten_during_a_download_arrives_as_one_version(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = write(tmp_path / "old", 6 * LARGE), write(tmp_path / "new", 5 * LARGE)
    first = store.put_file("x", old, expected=None, metadata={}, writer=writer())
    call = Endpoint.call

    def late(self: Endpoint, method: str, path: str, query: Any = None, headers: Any = None, **kwargs: Any) -> Answer:
        if headers and headers.get("x-ms-range", "").startswith(f"bytes={3 * LARGE}-"):
            monkeypatch.setattr(Endpoint, "call", call)
            store.put_file("x", new, expected=first, metadata={}, writer=writer())
        return call(self, method, path, query, headers, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    info = store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == new.read_bytes()
    assert (info.sha256, info.size) == (hashlib.sha256(new.read_bytes()).hexdigest(), 5 * LARGE)


def test_an_empty_blob_that_is_filled_during_its_download_arrives_filled(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.put_bytes("x", b"", expected=None, metadata={})
    call = Endpoint.call

    def late(self: Endpoint, method: str, *args: Any, **kwargs: Any) -> Answer:
        if method == "HEAD":
            monkeypatch.setattr(Endpoint, "call", call)
            store.put_bytes("x", b"filled", expected=first, metadata={})
        return call(self, method, *args, **kwargs)

    monkeypatch.setattr(Endpoint, "call", late)
    info = store.download("x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"filled"
    assert (info.sha256, info.size) == (hashlib.sha256(b"filled").hexdigest(), 6)
