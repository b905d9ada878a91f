"""Blocks that a lost attempt left behind are in nobody's way."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pipeline_app.worker.storage import Conflict
from tests.memory.endpoint import MemoryEndpoint
from tests.memory.worker import CONTAINER, MemoryStore

NAME = "outgoing/a.csv/x"
WRITER = "0" * 32


def leave_block(store: MemoryStore) -> None:
    """Stage a block, as an attempt does that is lost before it commits."""
    block = base64.b64encode(f"{'1' * 32}{0:08d}".encode()).decode()
    endpoint = MemoryEndpoint(store.account.answer, "blob")
    endpoint.call("PUT", f"{CONTAINER}/{NAME}", {"blockid": block, "comp": "block"}, body=b"left")


@pytest.mark.parametrize("content", [b"", b"mine"])
def test_a_result_that_is_smaller_at_the_next_attempt_is_published(tmp_path: Path, content: bytes) -> None:
    store = MemoryStore()
    leave_block(store)
    file = tmp_path / "x"
    file.write_bytes(content)
    etag = store.put_file(NAME, file, expected=None, metadata={"attempt": "2"}, writer=WRITER)
    (blob,) = store.list("")
    assert (blob.etag, store.content(NAME), dict(blob.metadata)) == (etag, content, {"attempt": "2"})


def test_what_is_there_is_not_overwritten_for_blocks_that_are_left(tmp_path: Path) -> None:
    store = MemoryStore()
    store.upload(NAME, b"theirs")
    leave_block(store)
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(Conflict):
        store.put_file(NAME, tmp_path / "x", expected=None, metadata={}, writer=WRITER)
    assert store.content(NAME) == b"theirs"
