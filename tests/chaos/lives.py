"""Lives that end: workers are told to stop as Azure does it, at a replica timeout or with their container group.

A replica timeout comes so many seconds after a worker's start, which it knows; a group's stop comes at any moment. With
both, every process of the container gets SIGTERM, in any order, and SIGKILL when the grace is over. Seconds here stand
for minutes there. Files take from next to nothing to longer than any life; some of their applications ignore SIGTERM,
and some end well by it with half of their results.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, now, plain_etag
from tests.chaos.application import ALIAS
from tests.chaos.checking import NAMES, Attempts, Checker, Findings, Version
from tests.chaos.nursery import Nursery

CALM_SECONDS: Final = 300.0
# That of Container Apps, which nobody can set.
GRACE_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 1.0
# A life lasts so long at least, and so many times as long as a worker takes here from its start through a small file.
LEAST_LIFE_SECONDS: Final = 3.0
LIFE_TIMES: Final = 3
PROJECT: Final = Path(__file__).parents[2]
RESULTS: Final = 2
TELL_SECONDS: Final = 15.0
TOO_LONG: Final = "files longer than any life"

# The first line of an input says which it is, for how long it is worked on, and what SIGTERM does to that.
_SCRIPT: Final = """#!/bin/sh
read -r mark < /proc/sys/kernel/random/uuid
read -r name seconds kind < "$1"
echo "$(date +%s.%N) begun $name $seconds $kind" >> 'LEDGER'
case $kind in
    polite) trap 'exit 0' TERM ;;
    stubborn) trap '' TERM ;;
esac
{ echo "$mark"; cat "$1"; } > "$2/a"
sleep "$seconds"
{ echo "$mark"; cat "$1"; } > "$2/b"
echo "$(date +%s.%N) ended $name $seconds $kind" >> 'LEDGER'
"""


@dataclass(frozen=True, kw_only=True)
class LivesPlan:
    """How much happens: files come until so many lives ended, at replica timeouts or as ``groups`` that are stopped."""

    ends: int
    groups: bool
    seed: int
    workers: int


class Lives:
    """Workers whose lives end, over a storage account that has neither the container nor the queues."""

    def __init__(self, plan: LivesPlan, connection_string: str, folder: Path) -> None:
        self.findings = Findings()
        self._chance = random.Random(plan.seed)  # noqa: S311 -- repeatable, not secret.
        self._closing = threading.Event()
        self._connection_string = connection_string
        self._folder = folder
        self._ledger = folder / "ledger"
        self._life = LEAST_LIFE_SECONDS
        self._lock = threading.Lock()
        self._marker = f"lives-{os.getpid()}-{id(self)}"
        self._plan = plan
        self._versions: dict[str, Version] = {}
        counts = ("files", TOO_LONG, "lives", "lives that were ended", "lives that were killed after the grace")
        self.findings.counts.update(dict.fromkeys(counts, 0))

    def run(self, say: Callable[[str], None]) -> Findings:
        """End lives until all ends have come, let the last files be done, and look at what is there."""
        started = time.monotonic()
        script = self._folder / "bin" / ALIAS
        script.parent.mkdir(parents=True)
        script.write_text(_SCRIPT.replace("LEDGER", str(self._ledger)))
        script.chmod(0o755)
        self._ledger.touch()
        with (
            BlobServiceClient.from_connection_string(self._connection_string) as blobs,
            QueueServiceClient.from_connection_string(self._connection_string) as queues,
        ):
            files = blobs.create_container(NAMES.container)
            jobs = queues.create_queue(JOBS_QUEUE)
            queues.create_queue(JOBS_POISON_QUEUE)
            folders = [self._folder / f"worker-{number}" for number in range(self._plan.workers)]
            with ExitStack() as stack:
                nurseries = [stack.enter_context(self._nursery(folder)) for folder in folders]
                for nursery in nurseries:
                    nursery.begin()
                self._measure(nurseries, files, jobs)
                say(f"A life lasts {self._life:.1f} seconds.")
                members = [threading.Thread(target=self._member, args=(nursery,)) for nursery in nurseries]
                for member in members:
                    member.start()
                try:
                    self._work(files, jobs, say)
                finally:
                    self._closing.set()
                    for member in members:
                        member.join()
            say("Calm. Looking at everything.")
            self._judge(files)
        self.findings.leaked += self._leaks()
        self.findings.seconds = time.monotonic() - started
        return self.findings

    def _measure(self, nurseries: list[Nursery], files: ContainerClient, jobs: QueueClient) -> None:
        """Find out how long a life has to be for a file to have most of it, on this machine as it is now."""
        for _ in nurseries:
            self._upload(files, jobs, seconds=0.05)
        began = time.monotonic()
        for nursery in nurseries:
            nursery.bear(0)
        for nursery in nurseries:
            nursery.wait(None)
        self._life = max(self._life, LIFE_TIMES * (time.monotonic() - began - IDLE_SECONDS))

    def _work(self, files: ContainerClient, jobs: QueueClient, say: Callable[[str], None]) -> None:
        attempts, told, calm_since = Attempts(self.findings), 0.0, 0.0
        while True:
            ended = self.findings.counts["lives that were ended"]
            left = jobs.get_queue_properties().approximate_message_count or 0
            attempts.sample(files)
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say(f"{ended} lives were ended, {self.findings.counts['files']} files, {left} messages left")
            if ended < self._plan.ends:
                # A life is ended only while there is work.
                for _ in range(2 * self._plan.workers - left):
                    self._upload(files, jobs)
            elif not left:
                return
            elif time.monotonic() - (calm_since := calm_since or time.monotonic()) > CALM_SECONDS:
                # What starves has no receipt.
                return
            time.sleep(0.2)

    def _upload(self, files: ContainerClient, jobs: QueueClient, seconds: float | None = None) -> None:
        number = self.findings.counts["files"]
        if seconds is None:
            # What takes long is rare enough to come where nobody expects it.
            long = self._chance.random() < 0.3
            seconds = self._chance.uniform(0.2, 0.35) * self._life if long else self._chance.uniform(0.05, 0.15)
            if not self._plan.groups and number % 12 == 5:
                seconds = self._life * self._chance.uniform(1.1, 3)
                self.findings.counts[TOO_LONG] += 1
        kind = self._chance.choices(("plain", "polite", "stubborn"), (8, 3, 1))[0]
        self.findings.counts["files"] += 1
        name = f"incoming/{number % 7}/{number}.csv"
        content = f"{number} {seconds:.2f} {kind}\n".encode()
        etag = plain_etag(str(files.upload_blob(name, content).get_blob_properties().etag))
        self._versions[name] = Version(content=content, etag=etag)
        job = FileJob(etag=etag, event_id="lives", name=name, queued_at=now(), size=len(content))
        jobs.send_message(job.encode(), time_to_live=-1)

    def _nursery(self, folder: Path) -> Nursery:
        folder.mkdir(parents=True)
        return Nursery(self._environment(folder), folder / "worker.log")

    def _member(self, nursery: Nursery) -> None:
        while not self._closing.is_set():
            with self._lock:
                self.findings.counts["lives"] += 1
                seconds = self._life * (self._chance.uniform(0, 2) if self._plan.groups else 1)
            pid = nursery.bear(0 if self._plan.groups else self._life)
            code = nursery.wait(seconds)
            if code is None:
                code = self._end(nursery, pid)
            # SIGTERM ends what has not begun to hold anything yet, or holds nothing any more.
            if code not in (0, -signal.SIGTERM):
                self.findings.leaked.append(f"a worker ended with {code}")
        # One that nobody ends tidies up after those that were.
        nursery.bear(0)
        nursery.wait(None)

    def _end(self, nursery: Nursery, pid: int) -> int | None:
        try:
            processes = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            processes = []
        pids = [pid, *(process.pid for process in processes)]
        with self._lock:
            self.findings.counts["lives that were ended"] += 1
            self._chance.shuffle(pids)
        for each in pids:
            # It may have ended meanwhile.
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGTERM)
        code = nursery.wait(GRACE_SECONDS)
        if code is None:
            self.findings.counts["lives that were killed after the grace"] += 1
            os.kill(pid, signal.SIGKILL)
            nursery.wait(None)
        return code or 0

    def _judge(self, files: ContainerClient) -> None:
        counts, begun, ended = self.findings.counts, dict[str, list[float]](), Counter[str]()
        for entry in self._ledger.read_text().splitlines():
            moment, what, line = entry.split(" ", 2)
            if what == "begun":
                begun.setdefault(line, []).append(float(moment))
            if what == "ended":
                ended[line] += 1
        counts["times that one file was begun at most"] = max(map(len, begun.values()), default=0)
        counts["runs to the end that were made again"] = sum(ended.values()) - len(ended)
        short = {name: version for name, version in self._versions.items() if not self._too_long(version)}
        Checker(files, self.findings).judge(short, begun, deleted=set(self._versions) - set(short), late=set())
        for name in self._versions:
            try:
                receipt = Receipt.decode(files.download_blob(NAMES.receipt_name(name)).readall().decode())
            except ResourceNotFoundError:
                self.findings.lost.append(f"{name} has no receipt: it starved")
                continue
            if receipt.attempt != 1:
                self.findings.duplicated.append(f"{name}: the end of a life was counted, this is {receipt.attempt}")
            if name in short:
                if receipt.status == "succeeded" and len(receipt.outputs) != RESULTS:
                    self.findings.torn.append(f"{name}: {len(receipt.outputs)} results of {RESULTS}")
                continue
            error = receipt.error or ""
            if receipt.status != "failed" or "Raise replicaTimeoutSeconds" not in error:
                self.findings.lost.append(f"{name} takes longer than a life, and its receipt says {error!r}")

    def _too_long(self, version: Version) -> bool:
        return not self._plan.groups and float(version.line.split(" ")[1]) > self._life

    def _leaks(self) -> list[str]:
        found = [str(left) for left in self._folder.glob("worker-*/scratch/*")]
        for process in psutil.process_iter():
            try:
                if process.environ().get("CHAOS_MARKER") == self._marker:
                    found.append(f"process {process.pid}: {process.cmdline()}")
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            "APP_ALIAS": ALIAS,
            # Only what was not given back would have to wait for it.
            "APP_CLAIM_SECONDS": "60",
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_IDLE_SECONDS": str(IDLE_SECONDS),
            # An end that was counted would fail its file.
            "APP_MAX_ATTEMPTS": "1",
            "APP_SCRATCH_DIRECTORY": str(folder / "scratch"),
            "APP_STORAGE_CONNECTION": self._connection_string,
            "APP_STORAGE_CONTAINER": NAMES.container,
            "APP_STORAGE_INPUT_PATH": NAMES.input_path,
            "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
            "APP_WRITABLE_PATHS": str(self._ledger),
            "CHAOS_MARKER": self._marker,
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
