"""Stands in for JobProcessor where slots and loop are tested: stages that do what the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline_app.contract import FileJob
from pipeline_app.worker.application import RunResult
from pipeline_app.worker.attempt import Claimed, Fetched, Outcome, Processed, Ran, known
from pipeline_app.worker.claim import Claim
from pipeline_app.worker.history import History
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.loop import Drain
from pipeline_app.worker.status import Status
from pipeline_app.worker.storage import Message
from tests.memory.worker import MemoryQueue, Outage

BIG = 1000


class StagedProcessor:
    """Notes each stage of each job with its thread; a stage may be made to wait or to do something else."""

    aside_bytes = BIG

    def __init__(self, queue: MemoryQueue) -> None:
        self.acts: dict[tuple[str, str], Callable[[], Processed | None]] = {}
        self.cut_seconds: dict[str, int] = {}
        self.lock = threading.Lock()
        self.noted: list[str] = []
        self.messages: dict[str, Message] = {}
        self.queue = queue
        self.suspects: set[str] = set()

    def noted_of(self, stage: str) -> list[str]:
        """Return the names for which a stage was noted, in order."""
        return [entry.partition(" ")[2] for entry in self.noted if entry.startswith(f"{stage} ")]

    def _stage(self, stage: str, name: str) -> Processed | None:
        with self.lock:
            self.noted.append(f"{stage} {name}")
        act = self.acts.get((stage, name))
        return act() if act else None

    def claim(self, message: Message) -> Claimed | Processed:
        name, _, size = message.content.partition(" ")
        self.messages[name] = message
        given_back = message.dequeue_count - 1
        job = FileJob(
            cut_milliseconds=1000 * self.cut_seconds.get(name, 0),
            etag="e",
            event_id="e",
            given_back=given_back,
            name=name,
            queued_at="",
            size=int(size or 0),
        )
        claimed = Claimed(
            # It is not entered, so nobody renews it.
            claim=Claim(self.queue, message, 60),
            directory="",
            history=History(failed=0, isolated=0, shared=1 if name in self.suspects else 0),
            job=job,
            number=1,
            resources=ExitStack(),
            unseen=True,
        )
        return self._stage("claim", name) or claimed

    def fetch(self, claimed: Claimed) -> Fetched | Processed:
        done = self._stage("fetch", claimed.job.name)
        unused: Any = None
        return done or Fetched(
            **known(claimed),
            first=True,
            input_file=Path(),
            log=unused,
            mark=unused,
            publication=unused,
            lasting=False,
            refusal=None,
            scratch=Path(),
            version=unused,
        )

    def isolate(self, claimed: Claimed) -> Claimed | Processed:
        return self._stage("isolate", claimed.job.name) or claimed

    def run(self, fetched: Fetched) -> Ran | Processed:
        done = self._stage("run", fetched.job.name)
        result = RunResult(config_sha256="", error=None, exit_code=0)
        return done or Ran(**known(fetched), result=result, size=fetched.job.size, started_at="")

    def publish(self, ran: Ran) -> Processed:
        done = self._stage("publish", ran.job.name)
        self.queue.delete(self.messages[ran.job.name])
        return done or Processed(outcome=Outcome.SUCCEEDED)

    def release(self, claimed: Claimed, reason: str, delay: float = 0.0) -> Processed:
        self._stage("release", claimed.job.name)
        message = self.messages[claimed.job.name]
        if delay:
            self.queue.let_others_first(message)
        self.queue.give_back(message, message.content, 0)
        return Processed(outcome=Outcome.GIVEN_BACK)


class StagedWorker:
    """A queue, a processor of stages, and the worker's loop over them."""

    def __init__(self, *contents: str, slots: int = 1) -> None:
        self.queue = MemoryQueue()
        for content in contents:
            self.queue.put(content)
        self.lifetime: Lifetime | None = None
        self.processor = StagedProcessor(self.queue)
        self.slots = slots
        self.status = Status(image="i", release="r", slots=slots, stale_seconds=60)
        self.stopping = threading.Event()

    def act(self, stage: str, name: str, act: Callable[[], Processed | None]) -> None:
        """Have a stage of a job do something first."""
        self.processor.acts[stage, name] = act

    def run(self) -> bool:
        """Work until the queue is empty; return whether no slot broke off."""
        return Drain(
            self.queue,
            self.processor,
            self.status,
            self.stopping,
            claim_seconds=1,
            idle_seconds=0,
            is_transient=lambda error: isinstance(error, Outage),
            lifetime=self.lifetime,
            slots=self.slots,
        ).run()
