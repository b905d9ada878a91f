"""What a file or a disk of this machine does while it comes from Azure or goes there."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from pipeline_app.worker import azure_ranges
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.outputs import collect
from pipeline_app.worker.scratch import Vanished
from tests.worker.azure_files import LARGE, write, writer


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_app.rest.endpoint.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("written", [0, LARGE, 3 * LARGE])
def test_a_full_disk_is_told_at_once_and_as_such(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    store.put_file("x", write(tmp_path / "source", 5 * LARGE), expected=None, metadata={}, writer=writer())
    pwrite = os.pwrite

    def full(file: int, data: memoryview, position: int) -> int:
        if position >= written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, data, position)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        store.download("x", tmp_path / "file")
    assert raised.value.errno == errno.ENOSPC
    assert not store.is_transient(raised.value)


@pytest.mark.usefixtures("no_waits")
def test_a_file_that_shrinks_during_its_upload_is_an_error_of_this_machine(
    store: AzureBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "source", 100)

    def shrinking(file: azure_ranges.FileRange) -> azure_ranges.FileRange:
        os.truncate(source, 10)
        return file

    monkeypatch.setattr(azure_ranges.FileRange, "__enter__", shrinking)
    with pytest.raises(OSError, match="has become shorter"):
        store.put_file("x", source, expected=None, metadata={}, writer=writer())
    assert store.head("x") is None


@pytest.mark.parametrize("size", [0, 1, LARGE, LARGE + 1, 5 * LARGE + 3])
@pytest.mark.parametrize("change", ["first byte", "last byte", "longer", "shorter", "empty"])
def test_what_was_changed_since_it_was_hashed_is_not_put_up(
    store: AzureBlobStore, tmp_path: Path, size: int, change: str
) -> None:
    (output := tmp_path / "output").mkdir()
    source = write(output / "x", size)
    (file,) = collect(output, "outgoing/a", 1)
    assert (file.size, file.sha256) == (size, hashlib.sha256(source.read_bytes()).hexdigest())
    content = source.read_bytes()
    changed = {
        "first byte": bytes([content[0] ^ 1]) + content[1:] if content else b"x",
        "last byte": content[:-1] + bytes([content[-1] ^ 1]) if content else b"x",
        "longer": content + b"x",
        "shorter": content[:-1] if content else b"x",
        "empty": b"" if content else b"x",
    }[change]
    source.write_bytes(changed)
    with pytest.raises(Vanished, match="was changed after its run had ended"):
        store.put_file("x", source, expected=None, metadata={}, pieces=file.pieces, writer=writer())
    assert store.head("x") is None
    source.write_bytes(content)
    store.put_file("x", source, expected=None, metadata={}, pieces=file.pieces, writer=writer())
    assert store.download("x", tmp_path / "target").sha256 == file.sha256
