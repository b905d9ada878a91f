"""An application that ends as its worker is told to stop: the platform may have told it as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_app.contract import FileJob
from pipeline_app.worker.attempt import Outcome, Processed
from tests.worker.world import World, begin


def run(world: World, stopping: Callable[[], bool]) -> Processed:
    """Take a file through its stages in a worker that is told to stop when the test says."""
    processor = world.processor()
    processor._stopping = stopping
    message = world.queue.receive(60)
    assert message is not None
    claimed = begin(processor, message)
    assert not isinstance(claimed, Processed)
    fetched = processor.fetch(claimed)
    assert not isinstance(fetched, Processed)
    ran = processor.run(fetched)
    return ran if isinstance(ran, Processed) else processor.publish(ran)


@pytest.mark.parametrize("end", ["exit 0", "exit 1", "kill -TERM $$"])
def test_what_an_application_leaves_as_its_worker_is_told_to_stop_is_no_result(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    ended = tmp_path / "notes" / "ended"
    monkeypatch.setenv("ENDED", str(ended))
    world.app(f'echo half > "$2/result"; : > "$ENDED"; {end}')
    world.upload()
    assert run(world, ended.exists) == Processed(outcome=Outcome.GIVEN_BACK)
    (message,) = world.queue.messages
    job = FileJob.decode(message.content)
    assert (job.given_back, job.failed) == (1, 0)
    assert not any(name.startswith("outgoing/") for name in world.store.blobs)


@pytest.mark.parametrize("end", ["exit 143", "kill -TERM $$"])
def test_an_application_may_be_told_before_its_worker_is(world: World, end: str) -> None:
    world.app(end)
    world.upload()
    asked: list[None] = []

    def stopping() -> bool:
        asked.append(None)
        return len(asked) > 5

    assert run(world, stopping).outcome is Outcome.GIVEN_BACK
    (message,) = world.queue.messages
    assert FileJob.decode(message.content).failed == 0


def test_an_application_that_ends_itself_so_has_failed(world: World) -> None:
    world.app("kill -TERM $$")
    world.upload()
    assert run(world, lambda: False).outcome is Outcome.GIVEN_BACK
    (message,) = world.queue.messages
    assert FileJob.decode(message.content).failed == 1
