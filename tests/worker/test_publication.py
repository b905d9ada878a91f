"""What one publication after the other leaves there, and what it never touches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_app.worker import commit
from pipeline_app.worker.publication import InputChanged, Publication
from pipeline_app.worker.results import NameClash
from pipeline_app.worker.storage import BlobInfo
from tests.memory.requests import Asked
from tests.memory.worker import MemoryStore
from tests.worker.publishing import DIRECTORY, INPUT, Killed, make_files, make_receipt, publish, visible


def test_no_metadata_value_is_empty(tmp_path: Path) -> None:
    store = MemoryStore()
    etag = store.upload(INPUT, b"1")
    # The receipt of another writer says nothing of its attempt, and is withdrawn before the results are replaced.
    files = make_files(tmp_path, {"old": b"old"})
    store.upload(f"{DIRECTORY}/receipt.json", make_receipt("0x0", files).encode().encode())
    assert publish(store, tmp_path / "take-over", etag, {"x": b"1"}) is True
    other = MemoryStore()
    assert publish(other, tmp_path / "first", other.upload(INPUT, b"1"), {"x": b"1"}) is True
    for blob in (*store.list("outgoing/"), *other.list("outgoing/")):
        assert blob.metadata
        assert "" not in blob.metadata.values()


def results(store: MemoryStore) -> set[str]:
    return {name.removeprefix(f"{DIRECTORY}/") for name in store.blobs if name.startswith(DIRECTORY)}


def test_first_attempt_publishes_results_log_and_receipt_in_this_order(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    asked: list[Asked] = []
    store.account.before = asked.append
    assert publish(store, tmp_path / "1", v1, {"x": b"1", "y": b"2"}) is True
    written = [each.path.partition("/")[2] for each in asked if each.method == "PUT"]
    assert written == [f"{DIRECTORY}/{name}" for name in ("x", "y", "run.log", "receipt.json")]
    assert store.content(f"{DIRECTORY}/run.log").startswith(b"what the application printed\n")
    receipt = visible(store)
    assert receipt is not None
    assert receipt.status == "succeeded"


def test_repeated_job_of_the_same_version_changes_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"x": b"1"})
    before = dict(store.blobs)
    assert publish(store, tmp_path / "2", v1, {"x": b"other"}) is None
    assert store.blobs == before


def test_new_version_replaces_receipt_and_removes_what_only_the_old_one_had(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"only-old": b"1", "x": b"old"})
    v2 = store.upload(INPUT, b"2")
    assert publish(store, tmp_path / "2", v2, {"x": b"new"}) is True
    assert results(store) == {"x", "run.log", "receipt.json"}
    receipt = visible(store)
    assert receipt is not None
    assert (receipt.input.etag, receipt.status) == (v2, "succeeded")


def test_new_version_keeps_results_of_inputs_named_below_its_folder(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"x": b"old"})
    deeper = f"{DIRECTORY}/b.csv/x"
    store.put_bytes(deeper, b"of incoming/a.csv/b.csv", expected=None, metadata={"owner": "other", "sha256": "s"})
    v2 = store.upload(INPUT, b"2")
    publish(store, tmp_path / "2", v2, {"x": b"new"})
    assert store.content(deeper) == b"of incoming/a.csv/b.csv"


def test_result_of_another_input_is_never_overwritten(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    store.put_bytes(f"{DIRECTORY}/x", b"theirs", expected=None, metadata={"owner": "other", "sha256": "s"})
    with pytest.raises(NameClash, match="belongs to another input"):
        publish(store, tmp_path / "1", v1, {"x": b"mine"})
    assert store.content(f"{DIRECTORY}/x") == b"theirs"


def test_slow_attempt_of_an_old_version_never_replaces_newer_results(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    v2 = store.upload(INPUT, b"2")
    publish(store, tmp_path / "1", v2, {"x": b"new"})
    before = dict(store.blobs)
    with pytest.raises(InputChanged):
        publish(store, tmp_path / "2", v1, {"x": b"old"})
    assert store.blobs == before


class MeddledStore(MemoryStore):
    """Runs ``meddle`` right after a look at the receipt and checks what is visible after each write of a result."""

    meddle: Callable[[], object] | None = None

    def head(self, name: str) -> BlobInfo | None:
        info = super().head(name)
        if name.endswith("/receipt.json") and self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()
        return info

    def put_file(self, name: str, path: Path, **kwargs: Any) -> str:
        etag = super().put_file(name, path, **kwargs)
        visible(self)
        return etag


def test_a_receipt_written_after_it_was_looked_for_is_withdrawn_before_results_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MeddledStore()
    v1, v2 = store.upload(INPUT, b"1"), store.upload(INPUT, b"2")

    def meddle() -> None:
        # A late attempt of the old version is published, and one of the new version is killed after its claim.
        publish(store, tmp_path / "late", v1, {"x": b"old"})
        with monkeypatch.context() as killing:
            killing.setattr(commit, "_withdraw", lambda publication, receipt: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                publish(store, tmp_path / "killed", v2, {"x": b"never"})

    publication = Publication(directory=DIRECTORY, id="2" * 32, input_etag=v2, input_name=INPUT, store=store)
    files = make_files(tmp_path, {"x": b"new"})
    (tmp_path / "run.log").touch()
    store.meddle = meddle
    assert commit.publish(publication, make_receipt(v2, files), files, tmp_path / "run.log", first=False) is True
    receipt = visible(store)
    assert receipt is not None
    assert receipt.input.etag == v2
