"""An application that ends as its worker is told to stop: the platform may have told it as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_app.contract import FileJob
from pipeline_app.worker.attempt import Outcome, Processed, Ran
from pipeline_app.worker.job import TOLD_SECONDS
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.told import Told
from tests.worker.world import World, begin


def run(
    world: World, stopping: Callable[[], bool], before_publishing: Callable[[Ran], None] = lambda ran: None
) -> Processed:
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
    if isinstance(ran, Processed):
        return ran
    before_publishing(ran)
    return processor.publish(ran)


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


@pytest.mark.parametrize(("later", "outcome"), [(TOLD_SECONDS, Outcome.GIVEN_BACK), (2.0, Outcome.SUCCEEDED)])
@pytest.mark.parametrize("at", ["before the results go out", "before they are final"])
def test_who_is_told_to_stop_a_moment_after_an_application_ended_does_not_publish_what_it_left(
    world: World, monkeypatch: pytest.MonkeyPatch, at: str, later: float, outcome: Outcome
) -> None:
    world.app('echo half > "$2/result"')
    world.upload()
    now = [0.0]
    told = Told(Outside(monotonic=lambda: now[0]))
    put_output = Publication.put_output

    def tell(ran: Ran) -> None:
        now[0] = ran.ended + later
        told.stopping.set()

    def before_publishing(ran: Ran) -> None:
        if at == "before the results go out":
            tell(ran)
            return

        def put(self: Publication, *arguments: object) -> None:
            put_output(self, *arguments)  # type: ignore[arg-type]
            tell(ran)

        monkeypatch.setattr(Publication, "put_output", put)

    assert run(world, told, before_publishing).outcome is outcome
    assert ("outgoing/a/b.csv/receipt.json" in world.store.blobs) is (outcome is Outcome.SUCCEEDED)
