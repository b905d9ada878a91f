"""Slots and jobs of a worker whose life ends: what is begun, given back, cut, and failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline_app.contract import FileJob
from pipeline_app.contract.end_events import WorkerDrains
from pipeline_app.worker.attempt import Claimed, Fetched, Outcome, Processed
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.outside import Outside
from tests.logged import logged
from tests.worker.suspects import World as Slots
from tests.worker.world import World, process

LIFE = 1000.0


class Dying(Slots):
    """A worker whose life is a thousand seconds, which pass as the test says."""

    def __init__(self, *names: str, slots: int = 1) -> None:
        super().__init__(*names, slots=slots)
        self.now = 0.0
        self.life = self.lifetime = Lifetime(LIFE, outside=Outside(monotonic=lambda: self.now))

    def passes(self, seconds: float) -> None:
        self.now += seconds


def test_a_worker_whose_end_is_near_gives_back_what_is_ahead_and_ends_by_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    world = Dying("a", "b", "c")

    def run() -> None:
        world.await_all("fetch b")
        world.life.note(600.0)
        world.passes(600)

    world.life.note(10.0)
    world.act("run", "a", run)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"given back": 1, "succeeded": 1}
    assert "claim c" not in world.noted
    assert sorted(each.content for each in world.queue.messages) == ["b", "c"]
    # It is there for others at once.
    assert all(each.visible_at <= world.queue.clock for each in world.queue.messages)
    assert [each for each in logged(caplog) if isinstance(each, WorkerDrains)] == [
        WorkerDrains(left=400.0, lifetime=LIFE, need=600.0)
    ]


def test_nothing_is_taken_ahead_of_what_may_use_up_the_time_for_it() -> None:
    world = Dying("a", "b")

    def run() -> None:
        world.await_all("run a")
        assert "claim b" not in world.noted

    world.life.note(400.0)
    world.passes(200)
    world.act("run", "a", run)
    assert world.run() is True
    assert world.status.snapshot()["counts"] == {"succeeded": 2}


def test_a_slot_that_ends_leaves_another_to_what_it_runs() -> None:
    world = Dying("short", "long", "late", slots=2)

    def run_long() -> None:
        world.await_all("publish short")
        assert world.status.snapshot()["slots"]

    def publish_short() -> None:
        world.await_all("run long")
        world.life.note(500.0)
        world.passes(600)

    world.act("run", "short", lambda: world.await_all("run long"))
    world.act("run", "long", run_long)
    world.act("publish", "short", publish_short)
    assert world.run() is True
    assert world.status.snapshot()["counts"]["succeeded"] == 2
    assert [each.content for each in world.queue.messages] == ["late"]
    assert "run late" not in world.noted


def test_a_file_that_needs_more_is_met_twice_at_most_and_then_the_worker_makes_room() -> None:
    world = Dying("first", "cut")
    world.processor.cut_seconds["cut"] = 500
    world.life.note(1.0)
    world.act("fetch", "first", lambda: world.passes(600))
    assert world.run() is True
    assert world.noted.count("claim cut") == 2
    assert "fetch cut" not in world.noted
    assert world.status.snapshot()["counts"] == {"given back": 2, "succeeded": 1}
    (left,) = world.queue.messages
    assert left.visible_at <= world.queue.clock


def test_others_are_worked_on_though_one_among_them_needs_more_time_than_is_left() -> None:
    others = [f"other-{number}" for number in range(5)]
    world = Dying("first", "cut", *others)
    world.processor.cut_seconds["cut"] = 500
    world.life.note(1.0)
    world.act("fetch", "first", lambda: world.passes(600))
    # As the service does it, what is given back comes behind what waits.
    world.act("release", "cut", lambda: world.queue.let_others_first(world.processor.messages["cut"]))
    assert world.run() is True
    assert world.processor.noted_of("run") == ["first", *others]
    assert world.noted.count("claim cut") == 2


def test_what_could_be_begun_before_its_input_came_is_looked_at_once_more() -> None:
    world = Dying("first", "slow")
    world.processor.aside_bytes = -1
    world.life.note(300.0)
    world.act("fetch", "slow", lambda: world.passes(700))
    assert world.run() is True
    assert world.processor.noted_of("run") == ["first"]
    assert world.noted.count("release slow") == 1


def test_the_first_thing_of_a_life_is_run_however_long_its_input_takes_to_come() -> None:
    world = Dying("first")
    world.life.note(300.0)
    world.act("fetch", "first", lambda: world.passes(800))
    assert world.run() is True
    assert world.processor.noted_of("run") == ["first"]


@pytest.mark.parametrize("stage", ["claim", "fetch"])
def test_a_suspect_that_comes_too_late_is_given_back_and_bars_nobody(stage: str) -> None:
    world = Dying("first", "suspect")
    world.life.note(300.0)
    world.processor.cut_seconds["suspect"] = 301

    def late() -> None:
        world.processor.acts.clear()
        world.passes(700)

    world.act(stage, "suspect", late)
    assert world.run() is True
    assert world.processor.noted_of("run") == ["first"]
    assert world.noted.count("release suspect") >= 1
    assert [each.content for each in world.queue.messages] == ["suspect"]


class Cut:
    """One file and workers whose ends cut it."""

    def __init__(self, world: World) -> None:
        self.now = 0.0
        self.world = world
        # The test lets more time pass than a claim holds by itself.
        world.settings = replace(world.settings, claim_seconds=100_000)
        world.app("echo begun >> $OUTSIDE_LEDGER; sleep 60")
        world.upload()

    def live(self, *, end: float, whole: bool, lifetime: float = LIFE) -> Processed:
        """Let a worker begin with the file, and be told to stop after so many seconds."""
        self.now = 0.0
        monotonic = lambda: self.now  # noqa: E731
        self.world.lifetime = Lifetime(lifetime, outside=Outside(monotonic=monotonic))
        processor = self.world.processor()
        processor._outside = Outside(monotonic=monotonic)
        self.world.queue.pass_until_all_are_there()
        message = self.world.queue.receive(60)
        assert message is not None
        claimed = processor.claim(message)
        assert isinstance(claimed, Claimed)
        fetched = processor.fetch(replace(claimed, outside=Outside(monotonic=monotonic), whole=whole))
        assert isinstance(fetched, Fetched)

        def stop() -> bool:
            self.now = end
            return True

        processor._stopping = stop
        ran = processor.run(fetched)
        return ran if isinstance(ran, Processed) else processor.publish(ran)

    @property
    def job(self) -> FileJob:
        (message,) = self.world.queue.messages
        return FileJob.decode(message.content)


@pytest.fixture
def cut(world: World, monkeypatch: pytest.MonkeyPatch) -> Cut:
    monkeypatch.setenv("OUTSIDE_LEDGER", str(world.folder / "notes" / "ledger"))
    return Cut(world)


def test_a_file_that_a_workers_end_cuts_goes_back_at_once_uncounted_with_its_seconds(cut: Cut) -> None:
    assert cut.live(end=400.0, whole=False) == Processed(outcome=Outcome.GIVEN_BACK)
    assert (cut.job.given_back, cut.job.failed, cut.job.isolated) == (1, 0, 0)
    assert (cut.job.cut_milliseconds, cut.job.cuts) == (400_000, 0)
    # What took less than before says nothing new.
    cut.live(end=300.0, whole=False)
    assert cut.job.cut_milliseconds == 400_000


def test_a_worker_without_an_end_says_nothing_of_what_it_was_told_to_stop(cut: Cut) -> None:
    cut.live(end=400.0, lifetime=0.0, whole=False)
    assert (cut.job.given_back, cut.job.cut_milliseconds, cut.job.cuts) == (1, 0, 0)


def test_a_file_longer_than_a_whole_life_fails_with_a_receipt_and_is_not_run_again(world: World, cut: Cut) -> None:
    cut.live(end=LIFE, whole=True)
    assert cut.job.cut_milliseconds == LIFE * 1000
    assert cut.live(end=1.0, whole=False).outcome is Outcome.FAILED
    receipt = world.receipt()
    assert receipt.error is not None
    assert receipt.error.startswith("The application had not come to its end within 1000 seconds")
    assert "Raise replicaTimeoutSeconds, or set runner to containerInstances" in receipt.error
    assert world.queue.is_empty()
    assert (world.folder / "notes" / "ledger").read_text() == "begun\n"


def test_a_longer_life_runs_what_was_too_long_for_the_one_before(world: World, cut: Cut) -> None:
    cut.live(end=LIFE, whole=True)
    world.app("true")
    world.lifetime = Lifetime(LIFE * 2)
    assert world.process().outcome is Outcome.SUCCEEDED


def test_configs_that_let_a_file_take_longer_than_a_life_fail_it_before_it_is_begun(
    world: World, tmp_path: Any
) -> None:
    world.app(f"touch {tmp_path / 'notes' / 'begun'}")
    world.upload()
    world.lifetime = Lifetime(LIFE, bound=lambda: 2000.0)
    assert world.process().outcome is Outcome.FAILED
    error = world.receipt().error
    assert error is not None
    assert "The timeout_seconds of the configs come to 2000 seconds" in error
    assert "Raise replicaTimeoutSeconds to 2060" in error
    assert not (tmp_path / "notes" / "begun").exists()


def test_a_file_is_remembered_from_its_download_to_its_receipt(world: World) -> None:
    now = [0.0]
    world.lifetime = Lifetime(LIFE, outside=Outside(monotonic=lambda: now[0]))
    world.app("true")
    world.upload()
    processor = world.processor()

    def monotonic() -> float:
        now[0] += 10
        return now[0]

    processor._outside = Outside(monotonic=monotonic)
    message = world.queue.receive(60)
    assert message is not None
    assert process(processor, message).outcome is Outcome.SUCCEEDED
    assert 30 <= world.lifetime._need() < LIFE / 2
