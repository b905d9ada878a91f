"""From claim to receipt: what becomes of a message, whatever the application and storage do."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import logging
import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from pipeline_app.contract import FileJob, Receipt
from pipeline_app.worker import commit
from pipeline_app.worker.app_config import MAX_CONFIG_BYTES
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.disk import Disk, DiskFull
from pipeline_app.worker.job import MAX_RECEIPT_TRIES
from pipeline_app.worker.loop import GIVE_UP_SECONDS
from pipeline_app.worker.settling import PATIENCE
from pipeline_app.worker.storage import BlobInfo, BlobUnreadable
from tests.memory.worker import Outage
from tests.worker.world import INPUT, OUTPUT, World


def test_a_file_ends_in_results_log_and_receipt_and_an_empty_queue(world: World) -> None:
    world.app('echo working; cp "$1" "$2/copy.csv"; mkdir -p "$2/deep/er"; echo hi > "$2/deep/er/x"')
    etag = world.upload(b"x\n1\n")
    assert world.process() == Processed(outcome=Outcome.SUCCEEDED)
    receipt = world.receipt()
    assert receipt.status == "succeeded"
    assert (receipt.input.etag, receipt.input.size) == (etag, 4)
    assert receipt.input.sha256 == "daff832f802000e645771a60983c76c963f6ee602a6230e45237bd360e91cc1a"
    assert [output.name for output in receipt.outputs] == [f"{OUTPUT}/copy.csv", f"{OUTPUT}/deep/er/x"]
    assert world.store.content(f"{OUTPUT}/copy.csv") == b"x\n1\n"
    assert (receipt.attempt, receipt.exit_code, receipt.error, receipt.log_tail) == (1, 0, None, None)
    assert (receipt.image, receipt.release, receipt.event_id) == ("registry/image@sha256:1", "1.0.dev1", "e1")
    assert "working" in world.log
    assert "working" in (world.folder / "app.log").read_text()
    assert world.queue.is_empty()


@pytest.mark.parametrize("code", [0, 3])
def test_what_only_proves_a_deploy_has_its_receipt_and_no_line_that_an_alert_reads(
    world: World, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    name = f"{world.settings.names.canary_path}/1/canary.csv"
    world.app(f"exit {code}")
    world.upload(name=name)
    while not world.queue.is_empty():
        outcome = world.process().outcome
    assert outcome is Outcome.CANARY
    receipt = Receipt.decode(world.store.content(world.settings.names.receipt_name(name)).decode())
    assert receipt.status == ("failed" if code else "succeeded")
    ends = [each.getMessage() for each in caplog.records if receipt.status in each.getMessage()]
    assert [each for each in ends if each.startswith("canary ")] == ends
    assert ends


def test_a_failing_file_is_failed_after_the_last_attempt_with_reason_and_log_tail(world: World) -> None:
    world.app("echo the input is broken >&2; exit 3")
    world.upload()
    outcomes = []
    while not world.queue.is_empty():
        assert f"{OUTPUT}/receipt.json" not in world.store.blobs
        outcomes.append(world.process().outcome)
    assert outcomes == [Outcome.GIVEN_BACK, Outcome.GIVEN_BACK, Outcome.FAILED]
    receipt = world.receipt()
    assert (receipt.status, receipt.attempt, receipt.exit_code) == ("failed", 3, 3)
    assert receipt.error == "The application exited with code 3."
    assert receipt.log_tail is not None
    assert "the input is broken" in receipt.log_tail
    assert receipt.outputs == ()


def test_an_input_that_cannot_be_read_is_failed_at_once_with_the_reason(world: World) -> None:
    world.app("true")
    etag = world.upload()
    world.store.change(INPUT, tier="Archive")
    outcomes = []
    while not world.queue.is_empty():
        outcomes.append(world.process())
    assert [(each.outcome, each.trouble) for each in outcomes] == [(Outcome.FAILED, None)]
    receipt = world.receipt()
    assert receipt.error is not None
    assert receipt.error.startswith(f"The blob {INPUT!r} cannot be read: it is in the archive tier")
    assert (receipt.input.etag, receipt.input.sha256, receipt.exit_code) == (etag, None, None)
    assert receipt.attempt == 1


@pytest.mark.parametrize(
    ("name", "metadata"),
    [(INPUT, {"Hdi_isfolder": "TRUE"}), ("incoming/a/", {}), ("incoming/a_$folder$", {})],
    ids=["metadata", "slash", "hadoop"],
)
def test_what_stands_for_a_folder_is_left_alone_and_gets_no_receipt(
    world: World, name: str, metadata: dict[str, str]
) -> None:
    world.app("false")
    world.upload(b"", name)
    world.store.upload(name, b"", metadata)
    assert world.process().outcome == Outcome.SKIPPED
    assert world.queue.is_empty()
    assert list(world.store.blobs) == [name]


def test_an_empty_file_is_processed(world: World) -> None:
    world.app('wc -c < "$1" > "$2/size"')
    world.upload(b"")
    assert world.process().outcome == Outcome.SUCCEEDED


def test_an_input_that_is_refused_for_the_time_being_is_waited_for_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app("true")
    world.settings = dataclasses.replace(world.settings, max_attempts=1)
    world.upload()

    def refuse(*args: object) -> BlobInfo:
        raise BlobUnreadable("this blob alone is refused", passing=True)

    monkeypatch.setattr(world.store, "download", refuse)
    monkeypatch.setattr(world.store, "is_transient", lambda error: error.passing)
    waited = []
    while not world.queue.is_empty():
        waited.append(world.process())
    assert [each.outcome for each in waited] == [Outcome.GIVEN_BACK] * PATIENCE + [Outcome.FAILED]
    assert world.receipt().error == "this blob alone is refused"
    # The worker itself gives up later.
    assert sum(min(60.0, 2.0 * 2**tries) for tries in range(PATIENCE)) < GIVE_UP_SECONDS


def test_what_the_storage_refuses_is_told_with_the_message_that_is_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app("true")
    world.upload()

    def refuse(*args: object) -> BlobInfo:
        raise Outage("HTTP 403 AuthorizationPermissionMismatch")

    monkeypatch.setattr(world.store, "download", refuse)
    processed = world.process()
    assert (processed.outcome, processed.trouble) == (
        Outcome.GIVEN_BACK,
        "HTTP 403 AuthorizationPermissionMismatch",
    )


def test_results_of_a_failed_run_are_not_published(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, max_attempts=1)
    world.app('echo half > "$2/half"; exit 1')
    world.upload()
    world.process()
    assert sorted(world.store.blobs) == [INPUT, f"{OUTPUT}/receipt.json", f"{OUTPUT}/run.log"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 1 > result.csv; mkdir sub; echo 2 > sub/x", "wrote 'result.csv', 'sub/x' into its working folder"),
        ('echo 1 > "$1.out"', "'input/b.csv', 'input/b.csv.out' into its working folder"),
        ('echo 1 > "$TMPDIR/cache"', "left no file in its output folder, so there are no results. Have it"),
    ],
)
def test_a_success_without_results_is_warned_of_with_where_they_went_and_where_they_belong(
    world: World, script: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    if "$1" in script:
        # Beside its input it can write only where it is not confined.
        world.unconfine()
    world.app(script)
    world.upload()
    assert world.process().outcome == Outcome.SUCCEEDED
    receipt = world.receipt()
    assert told in str(receipt.warning)
    assert "{output}" in str(receipt.warning)
    assert str(receipt.warning) in world.log
    assert [record.levelname for record in caplog.records if told in record.getMessage()] == ["WARNING"]


def test_a_success_with_results_is_not_warned_of(world: World) -> None:
    world.app('echo 1 > scrap; echo 1 > "$2/result"')
    world.upload()
    world.process()
    assert (world.receipt().status, world.receipt().warning) == ("succeeded", None)


def test_an_app_that_writes_nothing_succeeds_with_no_results(world: World) -> None:
    world.app("true")
    world.upload(b"")
    world.process()
    assert (world.receipt().status, world.receipt().outputs) == ("succeeded", ())


@pytest.mark.parametrize(
    ("attempts", "losses", "said"),
    [
        (1, 2, "2 times while it processed this file, 1 of them"),
        (3, 3, "3 times while it processed this file, 2 of them"),
    ],
)
def test_a_file_that_kills_the_worker_each_time_is_failed_without_another_run(
    world: World, attempts: int, losses: int, said: str
) -> None:
    world.app('echo should not run > "$2/x"')
    world.settings = dataclasses.replace(world.settings, max_attempts=attempts)
    world.upload()
    for _ in range(losses):
        world.lose()
    assert world.process().outcome is Outcome.FAILED
    error = world.receipt().error
    assert error is not None
    assert error.startswith(f"The worker was lost {said} with no other file in hand: it was killed")
    assert world.receipt().outputs == ()
    assert world.queue.is_empty()


def test_a_loss_in_company_takes_none_of_a_files_attempts(world: World) -> None:
    world.upload()
    world.app("exit 1")
    for _ in range(2):
        assert world.process().outcome is Outcome.GIVEN_BACK
    world.queue.clock += 100
    world.queue.receive(60)
    world.app('echo 1 > "$2/x"')
    assert world.process().outcome is Outcome.SUCCEEDED
    # It says how often it was begun, whether that counted or not.
    assert world.receipt().attempt == 4


@pytest.mark.parametrize(("counted", "field"), [(True, "failed"), (False, "given_back")])
def test_a_suspect_that_is_given_back_was_not_lost(world: World, counted: bool, field: str) -> None:
    world.upload()
    world.queue.receive(60)
    world.app("exit 1" if counted else "sleep 60")
    world.stopping = not counted
    assert world.process().outcome is Outcome.GIVEN_BACK
    (entry,) = world.queue.messages
    told = {name: getattr(FileJob.decode(entry.content), name) for name in ("failed", "given_back", "isolated")}
    assert told == {"failed": 0, "given_back": 0, "isolated": 0} | {field: 1}


def test_a_file_whose_attempts_all_broke_off_in_the_worker_is_not_said_to_have_killed_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app("true")
    world.upload()
    with monkeypatch.context() as broken:
        broken.setattr(commit, "publish", fail(ZeroDivisionError()))
        for _ in range(3):
            assert world.process().outcome is Outcome.GIVEN_BACK
    assert world.process().outcome is Outcome.FAILED
    assert world.receipt().error == "The last of 3 attempts broke off in the worker; its log says why."


def test_a_duplicate_message_changes_nothing(world: World) -> None:
    world.app('date +%N > "$2/x"')
    world.upload()
    world.queue.put(world.queue.messages[0].content)
    world.process()
    before = dict(world.store.blobs)
    assert world.process().outcome is Outcome.SKIPPED
    assert world.store.blobs == before
    assert world.queue.is_empty()


def test_a_late_message_of_an_old_version_processes_the_newest(world: World) -> None:
    world.app('cp "$1" "$2/copy"')
    world.upload(b"old")
    etag = world.upload(b"new")
    world.process()
    assert world.receipt().input.etag == etag
    assert world.store.content(f"{OUTPUT}/copy") == b"new"
    assert world.process().outcome is Outcome.SKIPPED


def test_an_overwritten_input_gets_a_new_receipt(world: World) -> None:
    world.app('cp "$1" "$2/copy"')
    world.upload(b"old")
    world.process()
    etag = world.upload(b"new")
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.receipt().input.etag == etag
    assert world.store.content(f"{OUTPUT}/copy") == b"new"


def test_a_deleted_input_needs_nothing(world: World) -> None:
    world.upload()
    world.store.remove(INPUT)
    assert world.process().outcome is Outcome.SKIPPED
    assert world.store.blobs == {}
    assert world.queue.is_empty()


@pytest.mark.parametrize("content", ["rubbish", '{"version": 9}', None])
def test_a_message_that_cannot_be_read_is_buried(world: World, content: str | None) -> None:
    foreign = FileJob(etag="1", event_id="e", name="elsewhere/a", queued_at="", size=1).encode()
    world.queue.put(content or foreign)
    assert world.process().outcome is Outcome.BURIED
    assert world.queue.buried == [content or foreign]
    assert world.queue.is_empty()


def test_stopping_gives_the_message_back_at_once_and_costs_no_attempt(world: World) -> None:
    world.app("sleep 60")
    world.upload()
    world.stopping = True
    assert world.process() == Processed(outcome=Outcome.GIVEN_BACK)
    world.stopping = False
    world.app("true")
    world.process()
    assert world.receipt().attempt == 1


def test_a_worker_whose_claim_is_taken_stops_the_app_and_publishes_nothing(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, claim_seconds=1)
    world.app("sleep 60")
    world.upload()
    threading.Timer(0.2, world.queue.steal).start()
    assert world.process().outcome is Outcome.LOST
    assert sorted(world.store.blobs) == [INPUT]
    assert not world.queue.is_empty()


def test_a_claim_is_renewed_while_the_app_runs(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, claim_seconds=1)
    world.app("sleep 1.6")
    world.upload()
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.queue.renewals >= 2


def fail(error: Exception) -> Callable[..., object]:
    def raise_it(*args: object, **kwargs: object) -> object:
        raise error

    return raise_it


def test_a_passing_outage_costs_no_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.app("true")
    world.upload()
    with monkeypatch.context() as outage:
        outage.setattr(world.store, "download", fail(Outage()))
        for _ in range(10):
            assert world.process().outcome is Outcome.GIVEN_BACK
    world.process()
    assert (world.receipt().status, world.receipt().attempt) == ("succeeded", 1)


def test_an_attempt_lost_between_log_and_receipt_is_finished_without_another_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app('echo once > "$2/x"')
    world.upload()
    with monkeypatch.context() as outage:
        outage.setattr(world.store, "put_bytes", fail(Outage()))
        world.process()
    world.app("exit 1")
    assert world.process().outcome is Outcome.SKIPPED
    assert (world.receipt().status, world.receipt().attempt) == ("succeeded", 1)


def test_a_receipt_that_storage_refuses_for_good_ends_in_the_poison_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app("true")
    world.upload()
    monkeypatch.setattr(world.store, "put_file", fail(ValueError("refused")))
    outcomes = []
    while not world.queue.is_empty():
        outcomes.append(world.process().outcome)
    assert outcomes == [Outcome.GIVEN_BACK] * (3 + MAX_RECEIPT_TRIES) + [Outcome.BURIED]


def test_a_result_that_belongs_to_another_input_fails_the_file(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, max_attempts=1)
    world.app('mkdir "$2/d.csv"; echo mine > "$2/d.csv/x"')
    world.store.put_bytes(f"{OUTPUT}/d.csv/x", b"theirs", expected=None, metadata={"owner": "other", "sha256": "s"})
    world.upload()
    assert world.process().outcome is Outcome.FAILED
    assert world.store.content(f"{OUTPUT}/d.csv/x") == b"theirs"
    assert "belongs to another input" in (world.receipt().error or "")
    assert json.loads(world.log.splitlines()[-1])["status"] == "failed"
    assert world.log.count('"status"') == 1


def test_the_configs_on_the_share_reach_the_next_file(world: World) -> None:
    runtime, export = world.folder / "runtime.json", world.folder / "export.json"
    world.settings = dataclasses.replace(world.settings, export_config=export, runtime_config=runtime)
    world.app('mode=$1; shift; echo "$mode $MODE $*" > "$1/$mode"')
    runtime.write_text('{"args": ["runtime", "{output}", "{share}"], "env": {"MODE": "fast"}}')
    export.write_text('{"args": ["export", "{output}"]}')
    world.upload()
    world.process()
    assert world.store.content(f"{OUTPUT}/runtime").startswith(b"runtime fast ")
    assert world.store.content(f"{OUTPUT}/export").startswith(b"export  ")
    first = world.receipt().config_sha256
    runtime.write_text('{"args": ["changed", "{output}"]}')
    world.upload()
    world.process()
    assert world.store.content(f"{OUTPUT}/changed").startswith(b"changed")
    assert world.receipt().config_sha256 != first


@pytest.mark.parametrize("spoil", ["changed", "removed", "too long"])
def test_a_config_that_is_not_the_stacks_runs_nothing_and_costs_no_file_anything(
    world: World, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = world.folder / "runtime.json"
    declared = b'{"args": ["good", "{output}"]}'
    runtime.write_bytes(declared)
    hashes = {runtime: hashlib.sha256(declared).hexdigest()}
    world.settings = dataclasses.replace(world.settings, config_sha256=hashes, max_attempts=1, runtime_config=runtime)
    world.app('touch "$0.$1"; [ "$1" = good ] && echo 1 > "$2/x"')
    world.upload()
    if spoil == "removed":
        runtime.unlink()
    else:
        runtime.write_bytes(b'{"args": ["bad"]}' if spoil == "changed" else bytes(MAX_CONFIG_BYTES + 1))
    for _ in range(PATIENCE + 5):
        processed = world.process()
        assert (processed.outcome, processed.config) == (Outcome.GIVEN_BACK, True)
        trouble = str(processed.trouble)
    assert not (world.bin / "app.bad").exists()
    assert str(runtime) in trouble
    assert trouble in caplog.text
    if spoil == "changed":
        assert "is not the one that this stack put there: its SHA-256 is " in trouble
    assert ("pulumi up" in trouble) is (spoil != "too long")
    runtime.write_bytes(declared)
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.receipt().attempt == 1


def test_a_config_that_is_not_understood_fails_the_file_and_says_why(world: World) -> None:
    runtime = world.folder / "runtime.json"
    runtime.write_text('{"args": ["{nonsense}"]}')
    world.settings = dataclasses.replace(world.settings, max_attempts=1, runtime_config=runtime)
    world.app("true")
    world.upload()
    world.process()
    assert "unknown placeholder '{nonsense}'" in (world.receipt().error or "")


def test_an_export_that_fails_fails_the_file(world: World) -> None:
    export = world.folder / "export.json"
    export.write_text('{"args": ["export"]}')
    world.settings = dataclasses.replace(world.settings, export_config=export, max_attempts=1)
    world.app('[ "$1" != export ]')
    world.upload()
    world.process()
    assert world.receipt().error == "In the export step: The application exited with code 1."


def test_an_input_that_a_disk_filled_by_others_has_no_room_for_costs_no_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.app("exit 0")
    world.upload()
    full = DiskFull("The disk is full.")

    def refuse(*args: object) -> BlobInfo:
        # Somebody fills the disk while the input comes in, and it stays full without it.
        monkeypatch.setattr(Disk, "require", Mock(side_effect=full))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(world.store, "download", refuse)
    with pytest.raises(DiskFull, match="The disk is full"):
        world.process()
    (entry,) = world.queue.messages
    assert FileJob.decode(entry.content).given_back == 1
