"""A worker with an application of the test's own, on fake storage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline_app.contract import FileJob, Receipt, StorageConnection, StorageNames
from pipeline_app.worker.attempt import Claimed, Processed
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.storage import Message
from tests.worker.fakes import FakeBlobStore, FakeJobQueue

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


def begin(processor: JobProcessor, message: Message) -> Claimed | Processed:
    """Claim a message as a slot does that has nothing else in hand."""
    claimed = processor.claim(message)
    if isinstance(claimed, Claimed) and claimed.history.suspect:
        return processor.isolate(claimed)
    return claimed


class World:
    """A worker with an application of the test's own, on fake storage."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "scratch").mkdir()
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        self.folder = folder
        self.queue = FakeJobQueue()
        self.settings = WorkerSettings(
            app_alias="app",
            claim_seconds=60,
            connection=StorageConnection(connection_string="unused"),
            export_config=None,
            health_port=0,
            idle_seconds=0,
            image="registry/image@sha256:1",
            log_file=folder / "app.log",
            max_attempts=3,
            max_output_files=100,
            names=StorageNames(container="c", input_path="incoming", output_path="outgoing"),
            release="1.0.dev1",
            runtime_config=None,
            scratch=folder / "scratch",
            scratch_bytes=0,
            share=folder / "share",
            slots=1,
        )
        self.stopping = False
        self.store = FakeBlobStore()

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
        processed = process(self._processor(), self._receive())
        assert list(self._scratch.iterdir()) == [], "the attempt left files behind"
        return processed

    def lose(self) -> None:
        """Claim the next message with a worker that is killed when it has begun."""
        claimed = begin(self._processor(), self._receive())
        assert isinstance(claimed, Claimed)
        # Its thread is the test's; the message stays claimed.
        claimed.resources.close()

    @property
    def _scratch(self) -> Path:
        return self.folder / "scratch"

    def _processor(self) -> JobProcessor:
        return JobProcessor(self.settings, self.store, self.queue, self._scratch, lambda: self.stopping)

    def _receive(self) -> Message:
        self.queue.clock = max([self.queue.clock, *(entry.visible_at for entry in self.queue.entries)])
        message = self.queue.receive(self.settings.claim_seconds)
        assert message is not None
        return message

    def receipt(self) -> Receipt:
        return Receipt.decode(self.store.content(f"{OUTPUT}/receipt.json").decode())

    @property
    def log(self) -> str:
        return self.store.content(f"{OUTPUT}/run.log").decode()
