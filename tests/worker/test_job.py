"""From claim to receipt: what becomes of a message, whatever the application and storage do."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import logging
from unittest.mock import Mock

import pytest

from pipeline_app.contract import FileJob, Receipt
from pipeline_app.contract.worker_events import Finished
from pipeline_app.worker.app_config import MAX_CONFIG_BYTES
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.disk import Disk, DiskFull
from pipeline_app.worker.loop import GIVE_UP_SECONDS
from pipeline_app.worker.settling import PATIENCE
from pipeline_app.worker.storage import BlobInfo, BlobUnreadable
from tests.logged import logged
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
    (end,) = [each for each in logged(caplog) if isinstance(each, Finished)]
    assert (end.canary, end.outcome, end.exit_code) == (True, receipt.status, code)


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
