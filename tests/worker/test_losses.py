"""Workers that are killed again and again: whoever does it fails for it, and nobody else does."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_app.contract import Receipt, now
from pipeline_app.worker import isolation, loop
from pipeline_app.worker.application import RunResult
from pipeline_app.worker.attempt import Fetched, Processed, Ran, known
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.loop import Drain
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.status import Status
from tests.worker.world import World

# What a file does to the worker, or how it ends; the first word of its content.
FLAKY, GOOD, KILLS_LATER, KILLS_NOW, KILLS_WHEN_PUBLISHED = "flaky", "good", "later", "now", "published"
KILLERS = (KILLS_LATER, KILLS_NOW, KILLS_WHEN_PUBLISHED)


class Killed(BaseException):
    """The worker is no more, so nothing that it would do is done; no code of its own can catch this."""


class Life:
    """One worker from its start to its end."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self._over = threading.Event()

    def check(self) -> None:
        if self._over.is_set():
            raise Killed

    def kill(self) -> None:
        self._over.set()
        raise Killed

    def kill_from_outside(self) -> None:
        self._over.set()


class Mortal:
    """Storage as one worker reaches it: not at all once that is killed, and one call after the other."""

    def __init__(self, target: object, life: Life, lock: threading.Lock) -> None:
        self._life, self._lock, self._target = life, lock, target

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self._life.check()
                result = getattr(self._target, name)(*args, **kwargs)
                if name == "receive" and result is not None:
                    self._life.held.add(result.id)
                elif name in ("bury", "delete", "give_back"):
                    self._life.held.discard(getattr(args[0], "id", ""))
            self._life.check()
            return result

        return call


class Processor(JobProcessor):
    """All stages as they are, but for the application: a file does as its content says."""

    def __init__(self, settings: WorkerSettings, life: Life, chance: random.Random, *rest: Any) -> None:
        super().__init__(settings, *rest)
        self.beside: list[set[str]] = []
        self._chance, self._life, self._limit = chance, life, settings.max_attempts

    def _run(self, fetched: Fetched) -> Ran:
        if fetched.history.suspect:
            self.beside.append(self._life.held - {fetched.claim.message_id})
        error = fetched.refusal
        if not error:
            word = fetched.input_file.read_text()
            if word == KILLS_NOW:
                self._life.kill()
            if word == KILLS_LATER:
                # Others have the time to begin, and to be asked for.
                time.sleep(self._chance.uniform(0, 0.1))
                self._life.kill()
            time.sleep(self._chance.uniform(0, 0.01))
            self._life.check()
            if word == FLAKY and fetched.history.failed < self._limit - 1:
                error = "it fails until its last attempt"
        result = RunResult(config_sha256="", error=error, exit_code=0)
        return Ran(**known(fetched), result=result, size=0, started_at=now())

    def _publish(self, ran: Ran) -> Processed:
        if not ran.refusal and ran.input_file.read_text() == KILLS_WHEN_PUBLISHED:
            self._life.kill()
        return super()._publish(ran)


class Lives:
    """Workers, one after the other, over one queue of files."""

    def __init__(self, world: World, chance: random.Random, *, attempts: int, slots: int) -> None:
        self.chance = chance
        self.lost = 0
        self.slots = slots
        self.world = world
        self.words: dict[str, str] = {}
        self._lock = threading.Lock()
        self._settings = world.settings.__class__(
            **{**vars(world.settings), "max_attempts": attempts, "slots": slots, "log_file": None}
        )

    def upload(self, word: str) -> None:
        name = f"incoming/{len(self.words)}-{word}.txt"
        self.words[name] = word
        self.world.upload(word.encode(), name)

    def live(self, kill_after: float | None = None) -> None:
        """Let one worker do what it can until the queue is empty or it is killed."""
        life, stopping = Life(), threading.Event()
        reached: list[Any] = [Mortal(each, life, self._lock) for each in (self.world.store, self.world.queue)]
        scratch = self.world.folder / "scratch"
        # No application is run, so that none has to be kept.
        outside = Outside(backoff=lambda tries: 0.0)
        processor = Processor(self._settings, life, self.chance, *reached, scratch, stopping.is_set, None, outside)
        drain = Drain(
            reached[1],
            processor,
            Status(image="i", release="r", slots=self.slots),
            stopping,
            claim_seconds=60,
            idle_seconds=0,
            is_transient=lambda error: False,
            outside=outside,
            slots=self.slots,
        )
        if kill_after is not None:
            threading.Timer(kill_after, life.kill_from_outside).start()
        ended = drain.run()
        assert not any(processor.beside), "something was in hand beside a suspect"
        if not ended:
            self.lost += 1
            # What it held is visible again when its claims have run out.
            self.world.queue.clock += 61
            # The Queue service promises no order.
            self.chance.shuffle(self.world.queue.messages)

    def receipts(self) -> dict[str, Receipt]:
        names = self._settings.names
        content = self.world.store.content
        return {name: Receipt.decode(content(names.receipt_name(name)).decode()) for name in self.words}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for what does not depend on time."""
    monkeypatch.setattr(isolation, "POLL_SECONDS", 0.002)
    monkeypatch.setattr(loop, "MAX_POLL_SECONDS", 0.002)
    monkeypatch.setattr(loop, "MIN_POLL_SECONDS", 0.002)
    monkeypatch.setattr(loop, "QUICK_POLL_SECONDS", 0.002)


def seeded(*parts: int) -> random.Random:
    return random.Random(repr(parts))  # noqa: S311 -- repeatable, not secret.


def check(lives: Lives) -> None:
    """See that each killer failed for what it did, and that nobody else failed at all."""
    wrong = {}
    for name, receipt in lives.receipts().items():
        guilty = lives.words[name] in KILLERS
        said = (receipt.error or "").startswith("The worker was lost ")
        if (receipt.status == "failed", said) != (guilty, guilty):
            wrong[name] = (receipt.status, receipt.attempt, receipt.error)
    assert wrong == {}
    assert lives.world.queue.buried == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("slots", [1, 2, 3, 4])
def test_no_file_fails_for_what_another_one_did_to_the_worker(
    world: World, slots: int, attempts: int, seed: int
) -> None:
    chance = seeded(slots, attempts, seed)
    lives = Lives(world, chance, attempts=attempts, slots=slots)
    words = [chance.choice(KILLERS) for _ in range(chance.randint(1, 3))]
    words += [chance.choice((FLAKY, GOOD)) for _ in range(chance.randint(3, 8))]
    for word in chance.sample(words, len(words)):
        lives.upload(word)
    killers = sum(word in KILLERS for word in words)
    while not world.queue.is_empty():
        lives.live()
        # Once in company, and then alone: as often as any file is tried, and once more where that is only once.
        assert lives.lost <= killers * max(2, attempts)
    check(lives)
    assert lives.lost >= max(2, attempts)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("slots", [1, 2, 4])
def test_a_worker_that_is_killed_from_outside_at_any_moment_fails_no_file(world: World, slots: int, seed: int) -> None:
    chance = seeded(slots, seed)
    lives = Lives(world, chance, attempts=3, slots=slots)
    words = [chance.choice(KILLERS), *[GOOD] * 7]
    for word in chance.sample(words, len(words)):
        lives.upload(word)
    lives.live(chance.uniform(0, 0.1))
    while not world.queue.is_empty():
        lives.live()
        assert lives.lost < 6
    check(lives)


def test_a_message_that_was_lost_by_others_a_hundred_times_is_still_not_failed_for_it(world: World) -> None:
    lives = Lives(world, seeded(1), attempts=1, slots=2)
    lives.upload(GOOD)
    world.queue.change(0, dequeue_count=100)
    said: list[bytes] = []
    world.queue.account.before = lambda asked: said.append(asked.body) if asked.method == "PUT" else None
    lives.live()
    check(lives)
    assert Counter(receipt.status for receipt in lives.receipts().values()) == {"succeeded": 1}
    assert b'"isolated": 1' in said[-1]
