"""Processing again and queueing what was lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from infra.operate import repair
from infra.operate.finding import find_name
from infra.operate.repair import NotQueued, backfill, retry
from infra.operate.storage import Blob, OperateError
from pipeline_app.contract import RECEIPT_ETAG_METADATA, FileJob
from tests.memory.listing import flat, flat_units, tree
from tests.memory.operate import NAMES, OLD, MemoryStorage


def queued(storage: MemoryStorage) -> list[tuple[str, str]]:
    return [(job.name, job.etag) for job in storage.jobs()]


@pytest.mark.parametrize("status", ["failed", "succeeded"])
def test_a_retry_makes_a_new_version_of_the_same_content_and_touches_no_queue(status: str) -> None:
    storage = MemoryStorage()
    before = storage.user_uploads("incoming/a.csv", "content")
    storage.receive("incoming/a.csv", before.etag, status)  # type: ignore[arg-type]
    retried = retry("a.csv", storage, NAMES)
    after = storage.find("incoming/a.csv")
    assert after
    assert after.etag == retried.etag != before.etag
    assert storage.read("incoming/a.csv") == "content"
    assert (retried.name, retried.receipt_name) == ("incoming/a.csv", "outgoing/a.csv/receipt.json")
    assert storage.jobs() == []


def test_a_retry_never_replaces_a_newer_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    storage.user_uploads("incoming/a.csv", "old")
    renew = storage.renew

    def overtaken(blob: Blob) -> str:
        storage.user_uploads("incoming/a.csv", "new")
        return renew(blob)

    monkeypatch.setattr(storage, "renew", overtaken)
    with pytest.raises(OperateError, match="was overwritten or deleted just now"):
        retry("a.csv", storage, NAMES)
    assert storage.read("incoming/a.csv") == "new"


def test_a_retry_of_what_is_gone_or_no_input_says_so() -> None:
    storage = MemoryStorage()
    storage.receive("incoming/a.csv", "0x1")
    storage.user_uploads("elsewhere/b.csv")
    with pytest.raises(OperateError, match="Upload it again"):
        retry("a.csv", storage, NAMES)
    with pytest.raises(OperateError, match="is not below the input path"):
        retry("elsewhere/b.csv", storage, NAMES)
    with pytest.raises(OperateError, match="neither an input nor a receipt"):
        retry("c.csv", storage, NAMES)


def test_a_backfill_queues_exactly_the_inputs_without_a_receipt_for_their_version() -> None:
    storage = MemoryStorage()
    long = "incoming/" + "x" * 1000
    for name in ("incoming/done", "incoming/lost", "incoming/overwritten", long, "outside", "incoming/"):
        storage.user_uploads(name)
    for name in ("incoming/done", "incoming/overwritten", long):
        blob = storage.find(name)
        assert blob
        storage.receive(name, blob.etag)
    again = storage.user_uploads("incoming/overwritten", "new")
    # A result that has the name of a receipt but was not written as one.
    storage.user_uploads("outgoing/lost/sub/receipt.json")
    jobs = [each for each in backfill(storage, NAMES) if isinstance(each, FileJob)]
    lost = storage.find("incoming/lost")
    assert lost
    assert queued(storage) == [("incoming/lost", lost.etag), ("incoming/overwritten", again.etag)]
    assert [job.name for job in jobs] == ["incoming/lost", "incoming/overwritten"]
    assert all(job.event_id.startswith("backfill-") for job in jobs)
    assert len({job.event_id for job in jobs}) == 2


def test_a_backfill_can_leave_older_uploads_out() -> None:
    storage = MemoryStorage()
    storage.user_uploads("incoming/old", modified=OLD)
    storage.user_uploads("incoming/at", modified=OLD + timedelta(minutes=1))
    storage.user_uploads("incoming/new", modified=OLD + timedelta(minutes=2))
    list(backfill(storage, NAMES, OLD + timedelta(minutes=1)))
    assert [name for name, _ in queued(storage)] == ["incoming/at", "incoming/new"]


def test_a_backfill_neither_waits_for_young_files_nor_for_empty_queues() -> None:
    storage = MemoryStorage()
    storage.user_uploads("incoming/young", modified=OLD + timedelta(days=1000))
    for queue in ("events", "jobs"):
        storage.have(queue, "x", "x", "x", claimed=True)
    list(backfill(storage, NAMES))
    assert [name for name, _ in queued(storage)] == ["incoming/young"]


def test_a_backfill_goes_on_after_a_job_that_is_refused_and_ends_when_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    for name in "abcdefgh":
        storage.user_uploads(f"incoming/{name}")
    put, refused = storage.put, {"incoming/b"}

    def refuse(job: FileJob) -> None:
        if job.name in refused:
            raise OperateError("too busy")
        put(job)

    monkeypatch.setattr(storage, "put", refuse)
    told = list(backfill(storage, NAMES))
    assert [each.name for each in told if isinstance(each, FileJob)] == [f"incoming/{name}" for name in "acdefgh"]
    assert [each for each in told if isinstance(each, NotQueued)] == [NotQueued(name="incoming/b", reason="too busy")]
    refused.update(blob.name for blob in storage.list("incoming/"))
    with pytest.raises(OperateError, match="too busy"):
        list(backfill(storage, NAMES))


def test_a_name_that_is_no_text_is_refused_in_a_sentence() -> None:
    with pytest.raises(OperateError, match=r"'\\udcff.csv' is not UTF-8"):
        retry("\udcff.csv", MemoryStorage(), NAMES)


class Untouched(MemoryStorage):
    """Fails the test that asks it for a blob."""

    def find(self, name: str) -> Blob | None:
        raise AssertionError(f"{name!r} was asked for.")


@pytest.mark.parametrize("path", ["", "incoming/"])
@pytest.mark.parametrize(
    ("name", "problem", "way"),
    [
        ("a\\b.csv", "has a backslash", "Did you mean '{}a/b.csv'?"),
        ("a/../b.csv", "'.' or '..' between slashes", "Did you mean '{}b.csv'?"),
        ("./b.csv", "'.' or '..' between slashes", "Did you mean '{}b.csv'?"),
        ("a./b.csv", "ends in a dot", "Did you mean '{}a/b.csv'?"),
        ("b.csv.", "ends in a dot", "Did you mean '{}b.csv'?"),
        ("b.csv\n", r"the character '\n'", "Did you mean '{}b.csv'?"),
        ("\x1b[31mb.csv", r"the character '\x1b'", "Did you mean '{}[31mb.csv'?"),
        ("x" * 1025, "more than 1024", "Look up how it is called"),
        ("a/" * 254 + "b", "parts between slashes, more than 254", "Look up how it is called"),
        ("\uffff", r"the character '\uffff'", "how it is called"),
    ],
)
def test_a_name_that_no_blob_can_have_is_told_with_the_way_out_before_anything_is_asked(
    path: str, name: str, problem: str, way: str
) -> None:
    with pytest.raises(OperateError) as refusal:
        find_name(f"{path}{name}", Untouched(), NAMES)
    assert problem in str(refusal.value)
    assert way.format(path) in str(refusal.value)


def test_a_name_about_which_documents_disagree_is_asked_for_and_a_refusal_of_it_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = MemoryStorage()
    storage.user_uploads("incoming/a\ue000")
    assert find_name("a\ue000", storage, NAMES) == "incoming/a\ue000"

    def refuse(name: str) -> Blob | None:
        raise OperateError("400 InvalidUri Bad Request")

    monkeypatch.setattr(storage, "find", refuse)
    with pytest.raises(OperateError, match=r"the character '\\ue000'.*Did you mean 'a'\?.*InvalidUri"):
        find_name("a\ue000", storage, NAMES)
    with pytest.raises(OperateError, match=r"^400 InvalidUri Bad Request$"):
        find_name("a", storage, NAMES)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (None, "Set its tier to hot, cool or cold"),
        ("rehydrate-pending-to-cold", r"on its way out of the archive tier \(rehydrate-pending-to-cold\)"),
    ],
)
def test_an_archived_file_is_not_retried_before_it_can_be_read(status: str | None, text: str) -> None:
    storage = MemoryStorage()
    before = storage.user_uploads("incoming/a.csv", tier="Archive", archive_status=status)
    with pytest.raises(OperateError, match=text):
        retry("a.csv", storage, NAMES)
    assert storage.find("incoming/a.csv") == before


@pytest.mark.parametrize("tier", ["Cold", "Cool", "Hot", "Smart"])
def test_a_file_in_any_other_tier_is_retried(tier: str) -> None:
    storage = MemoryStorage()
    before = storage.user_uploads("incoming/a.csv", tier=tier)
    assert retry("a.csv", storage, NAMES).etag != before.etag


def test_what_stands_for_a_folder_is_neither_queued_nor_retried() -> None:
    storage = MemoryStorage()
    storage.user_uploads("incoming/a", "", metadata={"Hdi_isfolder": "true"})
    storage.user_uploads("incoming/b/", "")
    storage.user_uploads("incoming/empty", "")
    assert [job.name for job in backfill(storage, NAMES)] == ["incoming/empty"]
    for name in ("a", "b/"):
        with pytest.raises(OperateError, match="stands for a folder"):
            retry(name, storage, NAMES)


@pytest.mark.parametrize("starts_from", [True, False])
@pytest.mark.parametrize("order", [flat, flat_units, tree])
def test_a_backfill_of_very_many_compares_page_by_page(
    monkeypatch: pytest.MonkeyPatch, order: Callable[[str], Any], starts_from: bool
) -> None:
    monkeypatch.setattr(repair, "PAGE", 60)
    storage = MemoryStorage()
    storage.account.blobs.order = order
    storage.account.blobs.starts_from = starts_from
    lost = {f"incoming/{number:03}-" for number in range(0, 50, 10)} | {"incoming/7\U0001f600"}
    done = [f"incoming/{number:03}{ending}" for number in range(50) for ending in ("", "/x", "\ue000", ".csv")]
    for name in [*done, *lost]:
        blob = storage.account.upload(f"{NAMES.container}/{name}", b"x")
        if name not in lost:
            said = {RECEIPT_ETAG_METADATA: blob.etag}
            storage.account.upload(f"{NAMES.container}/{NAMES.receipt_name(name)}", b"{}", said)
    asked: list[str] = []
    storage.account.before = lambda request: asked.append(request.method)
    looked: list[int] = []
    jobs = list(backfill(storage, NAMES, looked=looked.append))
    assert {job.name for job in jobs} == lost
    assert len(jobs) == len(lost)
    assert looked == [60, 120, 180, 206]
    if starts_from and order is flat:
        # One listing of outputs for each page, and a look for what it does not show.
        assert asked.count("HEAD") < 40
