"""What holds the blobs of an older version: nothing is run in vain, and whoever can end it is told how."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from pipeline_app.contract import FileJob, Receipt
from pipeline_app.worker import ending, holds
from pipeline_app.worker.attempt import Claimed, Fetched, Outcome, Ran
from pipeline_app.worker.settling import PATIENCE
from tests.worker.world import INPUT, OUTPUT, World

LOG = f"{OUTPUT}/run.log"
RECEIPT = f"{OUTPUT}/receipt.json"


# How a blob gets into the state that the service refuses with a code.
STATES: dict[str, dict[str, object]] = {
    "BlobArchived": {"tier": "Archive"},
    "BlobBeingRehydrated": {"archive_status": "rehydrate-pending-to-hot", "tier": "Archive"},
    "InvalidBlobType": {"kind": "AppendBlob"},
}


def lease(world: World, name: str, kind: str = holds.INFINITE) -> str:
    """Lease a blob, and return how that is told."""
    world.store.change(name, lease=kind)
    return holds.explain(name, "c", "LeaseIdMissing", kind)


def seal(world: World, name: str, code: str) -> str:
    """Have the service refuse to change a blob, and return how that is told."""
    world.store.change(name, **STATES.get(code, {"sealed": code}))
    return holds.explain(name, "c", code)


def hold(world: World, name: str, code: str) -> str:
    """Lease or seal a blob, and return how that is told."""
    return lease(world, name) if code == "LeaseIdMissing" else seal(world, name, code)


@pytest.fixture
def done(world: World) -> World:
    """Return a worker that has processed the first version of the input, and gets the second one next."""
    world.app('echo run >> "$NOTES/runs"; cp "$1" "$2/x"; cp "$1" "$2/$(head -n 1 "$1")"')
    world.upload(b"v1\n")
    assert world.process().outcome is Outcome.SUCCEEDED
    world.upload(b"v2\n")
    return world


@pytest.fixture
def runs(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return what tells how often the application was run."""
    monkeypatch.setenv("NOTES", str(world.folder / "notes"))
    file = world.folder / "notes" / "runs"
    return lambda: file.read_text().count("run") if file.exists() else 0


@pytest.mark.parametrize("code", ["BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", "LeaseIdMissing"])
def test_an_old_result_that_nothing_overwrites_costs_a_new_version_a_warning(
    runs: Callable[[], int], done: World, code: str
) -> None:
    old = f"{OUTPUT}/v1"
    held = hold(done, old, code)
    assert done.process().outcome is Outcome.SUCCEEDED
    receipt = done.receipt()
    assert [output.name for output in receipt.outputs] == [f"{OUTPUT}/v2", f"{OUTPUT}/x"]
    assert (receipt.warning or "").startswith(f"An older version's result is still there: {held}")
    assert Receipt.decode(done.log.splitlines()[-1]) == receipt
    assert runs() == 2


@pytest.mark.parametrize("code", ["BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", "LeaseIdMissing"])
def test_an_old_result_that_cannot_be_overwritten_fails_the_file_after_one_run(
    runs: Callable[[], int], done: World, code: str
) -> None:
    old = f"{OUTPUT}/x"
    held = hold(done, old, code)
    assert done.process().outcome is Outcome.FAILED
    receipt = done.receipt()
    assert (receipt.status, receipt.outputs, receipt.input.etag) == ("failed", (), done.store.blobs[INPUT].etag)
    assert receipt.error is not None
    assert held in receipt.error
    assert repr(old) in receipt.error
    assert f"{OUTPUT}/v2" not in done.store.blobs
    assert (runs(), done.queue.messages) == (2, [])


def test_a_file_that_fails_by_itself_says_both(done: World) -> None:
    held = lease(done, f"{OUTPUT}/v1")
    done.app("exit 3")
    for _ in range(done.settings.max_attempts):
        processed = done.process()
    assert processed.outcome is Outcome.FAILED
    assert done.receipt().error == (
        f"The application exited with code 3. An older version's result is still there: {held}"
    )


@pytest.mark.parametrize("code", sorted(holds.DELETABLE_CODES))
def test_an_old_result_that_can_only_be_deleted_is_deleted_and_made_anew(done: World, code: str) -> None:
    seal(done, f"{OUTPUT}/x", code)
    assert done.process().outcome is Outcome.SUCCEEDED
    assert done.store.content(f"{OUTPUT}/x") == b"v2\n"


def test_many_old_results_that_stay_are_named_in_part(world: World) -> None:
    world.app('[ "$(cat "$1")" = 2 ] || for n in 1 2 3 4 5; do echo "$n" > "$2/$n"; done')
    world.upload(b"1")
    world.process()
    for n in range(1, 6):
        lease(world, f"{OUTPUT}/{n}")
    world.upload(b"2")
    assert world.process().outcome is Outcome.SUCCEEDED
    warning = world.receipt().warning or ""
    assert [f"{OUTPUT}/{n}" in warning for n in range(1, 6)] == [True, True, True, False, False]
    assert warning.endswith("So are 2 more.")


def test_a_log_that_is_leased_for_ever_is_known_before_the_application_runs(
    runs: Callable[[], int], done: World
) -> None:
    held = lease(done, LOG)
    before = done.store.content(LOG)
    assert done.process().outcome is Outcome.FAILED
    receipt = done.receipt()
    assert (receipt.status, receipt.error, receipt.outputs) == ("failed", held, ())
    assert receipt.input.etag == done.store.blobs[INPUT].etag
    assert (runs(), done.queue.messages, done.store.content(LOG)) == (1, [], before)


def test_once_the_lease_on_the_log_is_broken_the_file_is_processed(done: World) -> None:
    lease(done, LOG)
    done.process()
    # A duplicate finds the receipt, and does not put the older log's own over it.
    done.queue.put(_job(done))
    assert done.process().outcome is Outcome.SKIPPED
    assert done.receipt().status == "failed"
    done.store.change(LOG, lease="broken")
    done.upload(b"v3\n")
    assert done.process().outcome is Outcome.SUCCEEDED
    assert sorted(name for name in done.store.blobs if name.startswith(OUTPUT)) == [
        RECEIPT,
        LOG,
        f"{OUTPUT}/v3",
        f"{OUTPUT}/x",
    ]


def test_a_log_that_turns_out_to_be_held_when_it_is_written_costs_one_run(runs: Callable[[], int], done: World) -> None:
    held = seal(done, LOG, "BlobImmutableDueToPolicy")
    assert done.process().outcome is Outcome.FAILED
    assert held in (done.receipt().error or "")
    assert (runs(), done.queue.messages) == (2, [])


def test_a_receipt_that_is_leased_for_ever_ends_in_the_poison_queue_before_the_application_runs(
    runs: Callable[[], int], done: World, caplog: pytest.LogCaptureFixture
) -> None:
    held = lease(done, RECEIPT)
    before = {name: blob.data for name, blob in done.store.blobs.items()}
    with caplog.at_level(logging.ERROR):
        assert done.process().outcome is Outcome.BURIED
    assert (runs(), done.queue.messages, len(done.queue.buried)) == (1, [], 1)
    # What is there is whole, and its receipt still describes it.
    assert {name: blob.data for name, blob in done.store.blobs.items()} == before
    said = [record.getMessage() for record in caplog.records if held in record.getMessage()]
    assert len(said) == 1
    assert f"buried {INPUT!r} attempt=1 in the poison queue" in said[0]


def test_a_receipt_that_turns_out_to_be_held_when_it_is_written_costs_one_run(
    runs: Callable[[], int], done: World, caplog: pytest.LogCaptureFixture
) -> None:
    held = seal(done, RECEIPT, "BlobImmutableDueToLegalHold")
    with caplog.at_level(logging.ERROR):
        assert done.process().outcome is Outcome.BURIED
    assert (runs(), done.queue.messages, len(done.queue.buried)) == (2, [], 1)
    assert held in caplog.text


@pytest.mark.parametrize(("name", "end"), [(LOG, Outcome.FAILED), (RECEIPT, Outcome.BURIED)])
def test_a_lease_that_was_taken_while_the_application_ran_leaves_what_is_there_whole(
    runs: Callable[[], int], done: World, name: str, end: Outcome
) -> None:
    before = {each: blob.data for each, blob in done.store.blobs.items()}
    message = done.queue.receive(60)
    assert message is not None
    processor = done.processor()
    claimed = processor.claim(message)
    assert isinstance(claimed, Claimed)
    fetched = processor.fetch(claimed)
    assert isinstance(fetched, Fetched)
    ran = processor.run(fetched)
    assert isinstance(ran, Ran)
    lease(done, name)
    assert processor.publish(ran).outcome is end
    # The log is not taken for a publication that cannot come to its end.
    after = {each: blob.data for each, blob in done.store.blobs.items() if each != RECEIPT or end is Outcome.BURIED}
    assert after == {each: before[each] for each in after}
    assert (runs(), done.queue.messages) == (2, [])


@pytest.mark.parametrize("name", [LOG, RECEIPT])
def test_a_lease_that_ends_by_itself_is_waited_for_without_a_run(
    runs: Callable[[], int], done: World, name: str
) -> None:
    lease(done, name, holds.FIXED)
    for _ in range(5):
        processed = done.process()
        assert processed.outcome is Outcome.GIVEN_BACK
        assert processed.again_in > 0
    assert runs() == 1
    done.store.change(name, lease="")
    assert done.process().outcome is Outcome.SUCCEEDED
    # None of the waits used up an attempt.
    assert (done.receipt().attempt, runs()) == (1, 2)


@pytest.mark.parametrize(("name", "end"), [(LOG, Outcome.FAILED), (RECEIPT, Outcome.BURIED)])
def test_a_lease_that_is_renewed_for_ever_ends_the_file_all_the_same(
    runs: Callable[[], int], done: World, monkeypatch: pytest.MonkeyPatch, name: str, end: Outcome
) -> None:
    monkeypatch.setattr(ending, "PASSING_SECONDS", 0.0)
    lease(done, name, holds.FIXED)
    outcomes = [done.process().outcome for _ in range(PATIENCE + 1)]
    assert outcomes == [*[Outcome.GIVEN_BACK] * PATIENCE, end]
    assert (runs(), done.queue.messages) == (1, [])


def test_a_lease_that_is_met_while_publishing_is_waited_for_where_it_ends_by_itself(
    runs: Callable[[], int], done: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "POLL_SECONDS", 0.2)
    lease(done, f"{OUTPUT}/x", holds.BREAKING)
    timer = threading.Timer(1.0, done.store.change, (f"{OUTPUT}/x",), {"lease": "broken"})
    timer.start()
    assert done.process().outcome is Outcome.SUCCEEDED
    timer.join()
    assert (runs(), done.store.content(f"{OUTPUT}/x")) == (2, b"v2\n")


def test_a_worker_that_is_to_stop_waits_for_no_lease(done: World) -> None:
    lease(done, f"{OUTPUT}/x", holds.FIXED)
    threading.Timer(1.0, lambda: setattr(done, "stopping", True)).start()
    assert done.process().outcome is Outcome.GIVEN_BACK


@pytest.mark.parametrize(
    ("status", "state", "duration", "kind"),
    [
        ("locked", "breaking", None, holds.BREAKING),
        ("locked", "leased", "fixed", holds.FIXED),
        ("locked", "leased", "infinite", holds.INFINITE),
        ("unlocked", "available", None, ""),
        ("unlocked", "broken", None, ""),
        ("unlocked", "expired", None, ""),
        (None, None, None, ""),
    ],
)
def test_only_a_lease_that_locks_keeps_a_blob(
    status: str | None, state: str | None, duration: str | None, kind: str
) -> None:
    assert holds.lease_of(status, state, duration) == kind


@pytest.mark.parametrize(
    ("code", "lease", "said"),
    [
        ("BlobArchived", "", "az storage blob set-tier --tier Hot"),
        ("BlobImmutableDueToLegalHold", "", "az storage container legal-hold clear"),
        ("BlobImmutableDueToPolicy", "", "az storage container immutability-policy delete"),
        ("LeaseIdMissing", holds.INFINITE, "infinite duration, which never ends by itself"),
        ("LeaseIdMissing", holds.INFINITE, "az storage blob lease break --container-name c --blob-name 'a b'"),
        ("LeaseIdMissing", holds.FIXED, "15 to 60 seconds"),
        ("PendingCopyOperation", "", "az storage blob copy cancel"),
        ("SystemInUse", "", "(SystemInUse): the storage refuses it for good"),
    ],
)
def test_a_hold_is_told_with_the_blob_the_cause_and_the_way_out(code: str, lease: str, said: str) -> None:
    text = holds.explain("a b", "c", code, lease)
    assert repr("a b") in text
    assert said in text


def _job(world: World) -> str:
    etag = world.store.blobs[INPUT].etag
    return FileJob(etag=etag, event_id="e2", name=INPUT, queued_at="2026-01-01T00:00:00.000Z", size=3).encode()
