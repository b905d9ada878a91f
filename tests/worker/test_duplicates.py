"""One input in two messages at once: the work is done once, and neither message is lost."""

from __future__ import annotations

import dataclasses
import threading

from pipeline_app.worker.attempt import Fetched, Outcome, Processed
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.working import WorkingMark
from tests.worker.world import INPUT, OUTPUT, World


def mark_of_another(world: World, etag: str) -> None:
    publication = Publication(directory=OUTPUT, id="0" * 32, input_etag=etag, input_name=INPUT, store=world.store)
    WorkingMark(
        claim_seconds=60, message_id="another", publication=publication, started_at="2026-01-01T00:00:00.000Z"
    ).renew()


def runs(world: World) -> int:
    """Return how often the application ran, by the log on the share."""
    return (world.folder / "app.log").read_text().count("[runtime] [")


def test_a_duplicate_waits_while_this_worker_is_at_the_first(world: World) -> None:
    world.app('cp "$1" "$2/x"')
    world.upload()
    world.queue.put(world.queue.messages[0].content)
    processor = world.processor()
    first, second = world.queue.receive(60), world.queue.receive(60)
    assert first is not None
    assert second is not None
    claimed = processor.claim(first)
    assert not isinstance(claimed, Processed)
    waits = processor.claim(second)
    assert isinstance(waits, Processed)
    assert waits.outcome is Outcome.GIVEN_BACK
    assert 0 < waits.again_in <= 60
    fetched = processor.fetch(claimed)
    assert isinstance(fetched, Fetched)
    ran = processor.run(fetched)
    assert not isinstance(ran, Processed)
    assert processor.publish(ran).outcome is Outcome.SUCCEEDED
    # The duplicate costs no attempt and finds the receipt.
    assert world.process().outcome is Outcome.SKIPPED
    assert world.queue.is_empty()
    assert runs(world) == 1


def test_a_message_that_comes_again_waits_for_the_worker_that_is_at_it(world: World) -> None:
    world.app('cp "$1" "$2/x"')
    etag = world.upload()
    mark_of_another(world, etag)
    world.queue.change(0, dequeue_count=1)
    outcome = world.process()
    assert outcome.outcome is Outcome.GIVEN_BACK
    assert not (world.folder / "app.log").exists()


def test_the_second_of_two_attempts_ends_at_its_first_sign_of_life(world: World) -> None:
    """Both began before either could say so; the one that says so later ends and costs no attempt."""
    world.settings = dataclasses.replace(world.settings, claim_seconds=1)
    world.app('sleep 20; cp "$1" "$2/x"')
    etag = world.upload()
    threading.Timer(0.1, mark_of_another, (world, etag)).start()
    processed = world.process()
    assert (processed.outcome, processed.again_in <= 1) == (Outcome.GIVEN_BACK, True)
    assert f"{OUTPUT}/receipt.json" not in world.store.blobs
    world.app('cp "$1" "$2/x"')
    # Nobody believes the other's mark any more once its time is over.
    world.store.remove(f"{OUTPUT}/run.log")
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.receipt().attempt == 1


def test_a_long_attempt_says_that_it_is_under_way_and_publishes_over_that(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, claim_seconds=1)
    seen = []

    def look() -> None:
        log = world.store.head(f"{OUTPUT}/run.log")
        assert log is not None
        seen.append(log.metadata["state"])

    world.app('sleep 1.2; cp "$1" "$2/x"')
    world.upload()
    threading.Timer(0.8, look).start()
    assert world.process().outcome is Outcome.SUCCEEDED
    assert seen == ["working"]
    assert world.receipt().status == "succeeded"
    log = world.store.head(f"{OUTPUT}/run.log")
    assert log is not None
    assert log.metadata["state"] == "committed"


def test_an_application_ends_when_its_input_is_overwritten_and_the_newest_version_is_next(world: World) -> None:
    world.settings = dataclasses.replace(world.settings, claim_seconds=1)
    world.app('sleep 20; cp "$1" "$2/x"')
    world.upload(b"old")
    threading.Timer(0.1, world.store.upload, (INPUT, b"new")).start()
    assert world.process() == Processed(again_in=0.0, outcome=Outcome.GIVEN_BACK)
    world.app('cp "$1" "$2/x"')
    assert world.process().outcome is Outcome.SUCCEEDED
    assert world.store.content(f"{OUTPUT}/x") == b"new"
