"""The mark of a long attempt: who respects whose, for how long, and what it never overwrites."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_app.worker.publication import InputChanged, Publication
from pipeline_app.worker.storage import BlobInfo
from pipeline_app.worker.working import WorkedOn, WorkingMark
from tests.memory.worker import MemoryStore
from tests.worker.publishing import DIRECTORY, INPUT, Killed, publish, visible

LOG = f"{DIRECTORY}/run.log"


class AgingStore(MemoryStore):
    """Tells of every blob that it was changed so many seconds ago."""

    age = 0.0

    def head(self, name: str) -> BlobInfo | None:
        info = super().head(name)
        return info and replace(info, age_seconds=self.age)


@pytest.fixture
def store() -> AgingStore:
    return AgingStore()


def mark(store: MemoryStore, etag: str, message: str = "mine") -> WorkingMark:
    publication = Publication(directory=DIRECTORY, id=uuid.uuid4().hex, input_etag=etag, input_name=INPUT, store=store)
    return WorkingMark(
        claim_seconds=60, message_id=message, publication=publication, started_at="2026-01-01T00:00:00.000Z"
    )


def test_a_mark_is_renewed_by_its_own_attempt_and_tells_who_is_at_it(store: AgingStore) -> None:
    v1 = store.upload(INPUT, b"1")
    mine = mark(store, v1)
    mine.renew()
    mine.renew()
    assert mine.written
    log = store.head(LOG)
    assert log is not None
    assert {name: log.metadata[name] for name in ("claim_seconds", "input_etag", "message", "state")} == {
        "claim_seconds": "60",
        "input_etag": v1,
        "message": "mine",
        "state": "working",
    }


@pytest.mark.parametrize(("age", "believed"), [(0.0, True), (59.0, True), (60.0, False), (3600.0, False)])
def test_another_message_s_mark_is_respected_for_as_long_as_it_says(
    store: AgingStore, age: float, believed: bool
) -> None:
    v1 = store.upload(INPUT, b"1")
    mark(store, v1, "theirs").renew()
    store.age = age
    mine = mark(store, v1)
    if believed:
        with pytest.raises(WorkedOn):
            mine.renew()
        assert not mine.written
    else:
        mine.renew()
        assert mine.written


def test_what_an_earlier_claim_of_the_same_message_left_is_taken_over(store: AgingStore) -> None:
    v1 = store.upload(INPUT, b"1")
    mark(store, v1).renew()
    mark(store, v1).respect(store.head(LOG))
    mark(store, v1).renew()


def test_a_newer_version_does_not_wait_for_an_older_one_which_ends(store: AgingStore) -> None:
    v1 = store.upload(INPUT, b"1")
    older = mark(store, v1, "theirs")
    older.renew()
    newer = mark(store, store.upload(INPUT, b"2"))
    newer.renew()
    with pytest.raises(InputChanged):
        older.renew()
    assert newer.written


def test_an_attempt_ends_when_another_has_published_its_version(store: AgingStore, tmp_path: Path) -> None:
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"x": b"1"})
    before = dict(store.blobs)
    with pytest.raises(WorkedOn):
        mark(store, v1).renew()
    assert store.blobs == before


def test_a_committed_log_without_its_receipt_is_never_marked(
    store: AgingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1 = store.upload(INPUT, b"1")
    with monkeypatch.context() as killing:
        killing.setattr(Publication, "put_receipt", lambda *args: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            publish(store, tmp_path / "1", v1, {"x": b"1"})
    committed = store.content(LOG)
    mine = mark(store, v1)
    mine.renew()
    assert (store.content(LOG), mine.written) == (committed, False)
    assert publish(store, tmp_path / "2", v1, {"x": b"other"}, number=2) is None
    receipt = visible(store)
    assert receipt is not None
    assert receipt.status == "succeeded"


def test_a_newer_version_is_marked_over_what_an_older_one_published(store: AgingStore, tmp_path: Path) -> None:
    publish(store, tmp_path / "1", store.upload(INPUT, b"1"), {"x": b"1"})
    v2 = store.upload(INPUT, b"2")
    mine = mark(store, v2)
    mine.renew()
    assert mine.written
    # The older receipt still holds, and is replaced by the newer one.
    old = visible(store)
    assert old is not None
    assert old.input.etag != v2
    assert publish(store, tmp_path / "2", v2, {"x": b"2"}, mark=mine) is True
    new = visible(store)
    assert new is not None
    assert new.input.etag == v2
