"""What comes again: lost workers, duplicates, newer versions, outages, and what has to be given up."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest

from pipeline_app.contract import FileJob
from pipeline_app.worker import commit
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.job import MAX_RECEIPT_TRIES
from tests.memory.worker import Outage
from tests.worker.world import INPUT, OUTPUT, World


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
