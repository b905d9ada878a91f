"""A worker with an application of the test's own, on fake storage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline_app.contract import FileJob, Receipt, StorageConnection, StorageNames
from pipeline_app.worker.attempt import Claimed, Processed
from pipeline_app.worker.confinement import landlock
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.keepers import Keepers
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.storage import Message
from tests.memory.worker import MemoryQueue, MemoryStore

INPUT = "incoming/a/b.csv"
OUTPUT = "outgoing/a/b.csv"


def process(processor: JobProcessor, message: Message) -> Processed:
    """Take a claimed message through all stages, one after the other."""
    claimed = begin(processor, message)
    if isinstance(claimed, Processed):
        return claimed
    fetched = processor.fetch(claimed)
    if isinstance(fetched, Processed):
        return fetched
    ran = processor.run(fetched)
    return ran if isinstance(ran, Processed) else processor.publish(ran)


def left_in(scratch: Path) -> list[Path]:
    """Return what is left of attempts in the worker's folder: all but the places of its slots."""
    folders = {each for place in scratch.glob("slot-*") for each in (place, place / "input", place / "work")}
    return [path for path in scratch.rglob("*") if path not in folders]


def begin(processor: JobProcessor, message: Message) -> Claimed | Processed:
    """Claim a message as a slot does that has nothing else in hand."""
    claimed = processor.claim(message)
    if isinstance(claimed, Claimed) and claimed.history.suspect:
        return processor.isolate(claimed)
    return claimed


def settings_in(folder: Path) -> WorkerSettings:
    """Return the settings of a worker that has all that it needs in a folder."""
    return WorkerSettings(
        app_alias="app",
        cleared=(),
        claim_seconds=60,
        connection=StorageConnection(connection_string="unused"),
        export_config=None,
        health_port=0,
        idle_seconds=0,
        image="registry/image@sha256:1",
        lifetime_seconds=0,
        log_file=folder / "app.log",
        max_attempts=3,
        max_output_files=100,
        names=StorageNames(container="c", input_path="incoming", output_path="outgoing"),
        # Each rule for a port takes its time, and no test here is about them.
        network="full",
        readable=(Path("/"),),
        release="1.0.dev1",
        require_confinement=False,
        runtime_config=None,
        scratch=folder / "scratch",
        scratch_bytes=0,
        share=folder / "share",
        slots=1,
        # For what an application is to tell its test.
        writable=(folder / "notes",),
    )


class World:
    """A worker with an application of the test's own, on fake storage."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "notes").mkdir()
        (folder / "scratch").mkdir()
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        self.folder = folder
        self.lifetime: Lifetime | None = None
        self.queue = MemoryQueue()
        self.settings = settings_in(folder)
        self.stopping = False
        self._monkeypatch = monkeypatch
        self._keepers: tuple[WorkerSettings, Keepers] | None = None
        self.store = MemoryStore()

    def app(self, script: str) -> None:
        """Install the application: a shell script that gets {input} and {output}."""
        path = self.bin / "app"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def upload(self, data: bytes = b"x\n1\n", name: str = INPUT) -> str:
        etag = self.store.upload(name, data)
        job = FileJob(etag=etag, event_id="e1", name=name, queued_at="2026-01-01T00:00:00.000Z", size=len(data))
        self.queue.put(job.encode())
        return etag

    def process(self) -> Processed:
        """Claim the next message, after whatever delay it has, and process it."""
        processed = process(self.processor(), self._receive())
        assert left_in(self.settings.scratch) == [], "the attempt left files behind"
        return processed

    def lose(self) -> None:
        """Claim the next message with a worker that is killed when it has begun."""
        claimed = begin(self.processor(), self._receive())
        assert isinstance(claimed, Claimed)
        # Its thread is the test's; the message stays claimed.
        claimed.resources.close()

    def _receive(self) -> Message:
        self.queue.pass_until_all_are_there()
        message = self.queue.receive(self.settings.claim_seconds)
        assert message is not None
        return message

    def processor(self) -> JobProcessor:
        """Return a processor of the present settings."""
        if self._keepers is None or self._keepers[0] != self.settings:
            self.close()
            self._keepers = self.settings, Keepers(self.settings, self.settings.scratch)
        stopping = lambda: self.stopping  # noqa: E731
        return JobProcessor(
            self.settings,
            self.store,
            self.queue,
            self.settings.scratch,
            stopping,
            self._keepers[1],
            lifetime=self.lifetime,
        )

    def unconfine(self) -> None:
        """Let the kernel have no Landlock."""
        self._monkeypatch.setattr(landlock, "version", lambda: 0)

    def close(self) -> None:
        """End what applications are started by."""
        if self._keepers is not None:
            self._keepers[1].__exit__(None, None, None)
            self._keepers = None

    def receipt(self) -> Receipt:
        return Receipt.decode(self.store.content(f"{OUTPUT}/receipt.json").decode())

    @property
    def log(self) -> str:
        return self.store.content(f"{OUTPUT}/run.log").decode()
