"""Workers that are killed, requests that go wrong, and what is true at the end all the same."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, StorageNames, now, plain_etag
from tests.chaos.proxy import KILLS, Harm, Proxy, Request

CLAIM_SECONDS: Final = 2
NAMES: Final = StorageNames(container="pipeline-files", input_path="incoming", output_path="outgoing")
PROJECT: Final = Path(__file__).parents[2]

# Each attempt of the application leaves its own mark in each of its results, so that results of two attempts under one
# receipt show. Their number and names differ from attempt to attempt, too.
APPLICATION: Final = """#!/bin/sh
read -r mark < /proc/sys/kernel/random/uuid
for name in a b c; do
    case $mark in *[0-7]) [ $name = c ] && continue ;; esac
    { echo "$mark"; cat "$1"; } > "$2/$name"
done
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much happens: ``harm_rate`` and ``overwrite_rate`` are chances for each request and each file."""

    files: int
    harm_rate: float
    kills: int
    overwrite_rate: float
    seed: int
    workers: int


@dataclass(kw_only=True)
class Findings:
    """What happened, and what must be zero: ``lost``, ``torn``, ``mixed``, ``leaked``."""

    harms: Counter[tuple[str, Harm]] = field(default_factory=Counter)
    leaked: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    overwritten: int = 0
    seconds: float = 0.0
    stray: int = 0
    succeeded: int = 0
    torn: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How often a worker was killed."""
        return sum(count for (_, harm), count in self.harms.items() if harm in KILLS)

    @property
    def clean(self) -> bool:
        """Whether all that must be zero is."""
        return not (self.leaked or self.lost or self.mixed or self.torn)


class Dice:
    """Decides what goes wrong; the same seed gives the same decisions in the order in which it is asked."""

    def __init__(self, plan: Plan, findings: Findings) -> None:
        self._chance = random.Random(plan.seed)  # noqa: S311 -- repeatable, not secret.
        self._findings = findings
        self._lock = threading.Lock()
        self._plan = plan
        self.calm = False

    def decide(self, request: Request) -> Harm:
        """Say what harm comes to a request."""
        with self._lock:
            if self.calm or self._chance.random() > self._plan.harm_rate:
                return Harm.NONE
            kills = sorted(KILLS, key=lambda harm: harm.name) if self._findings.kills < self._plan.kills else []
            others = [Harm.CUT_AFTER, Harm.CUT_BEFORE, Harm.REFUSE]
            # A late write is the worst that can be done to a protocol, but looking late harms nobody.
            if request.step.startswith(("write", "remove", "delete", "renew")):
                others.append(Harm.LATE)
            harm = self._chance.choice(kills * 2 + others)
            self._findings.harms[request.step, harm] += 1
            return harm

    def refusal(self) -> int:
        """Return the status of a refused request."""
        with self._lock:
            return self._chance.choice([429, 500, 503])

    def moment(self, most: float) -> float:
        """Return a number of seconds."""
        with self._lock:
            return self._chance.uniform(0, most)

    def chosen(self, rate: float) -> bool:
        """Throw once."""
        with self._lock:
            return self._chance.random() < rate


class Fleet:
    """Workers behind proxies of their own; a worker that ended is started again."""

    def __init__(self, count: int, folder: Path, connection_string: str, dice: Dice) -> None:
        self._closing = threading.Event()
        self.marker = f"chaos-{os.getpid()}-{id(self)}"
        self._members = [
            threading.Thread(target=self._member, args=(folder / f"worker-{number}", connection_string, dice))
            for number in range(count)
        ]
        for member in self._members:
            member.start()

    def close(self) -> None:
        """Let every worker end by itself and start no more."""
        self._closing.set()
        for member in self._members:
            member.join()

    def _member(self, folder: Path, connection_string: str, dice: Dice) -> None:
        folder.mkdir()
        processes: list[subprocess.Popen[bytes]] = []

        def kill() -> None:
            processes[-1].send_signal(signal.SIGKILL)

        def kill_later() -> None:
            threading.Timer(dice.moment(0.05), kill).start()

        def hold() -> None:
            time.sleep(CLAIM_SECONDS * 1.5)

        def proxy(service: str) -> Proxy:
            match = re.search(rf"{service}Endpoint=http://([\d.]+:\d+)/", connection_string)
            if match is None:
                raise ValueError(f"The connection string names no {service} endpoint.")
            return Proxy(match[1], dice.decide, hold=hold, kill=kill, kill_later=kill_later, refuse=dice.refusal)

        blob, queue = proxy("Blob"), proxy("Queue")
        through = re.sub(r"(BlobEndpoint=http://[\d.]+:)\d+", rf"\g<1>{blob.port}", connection_string)
        through = re.sub(r"(QueueEndpoint=http://[\d.]+:)\d+", rf"\g<1>{queue.port}", through)
        environment = {
            "APP_ALIAS": "app",
            "APP_CLAIM_SECONDS": str(CLAIM_SECONDS),
            "APP_HEALTH_PORT": "0",
            "APP_IDLE_SECONDS": "1",
            "APP_MAX_ATTEMPTS": "100",
            "APP_SCRATCH_DIRECTORY": str(folder / "scratch"),
            "APP_STORAGE_CONNECTION": through,
            "APP_STORAGE_CONTAINER": NAMES.container,
            "APP_STORAGE_INPUT_PATH": NAMES.input_path,
            "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
            "CHAOS_MARKER": self.marker,
            "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
        command = [sys.executable, "-m", "pipeline_app.worker"]
        with (folder / "worker.log").open("ab") as log:
            while not self._closing.is_set():
                processes.append(subprocess.Popen(command, env=environment, stderr=log, stdout=log))
                processes[-1].wait()
            # One that nobody kills any more tidies up after those that were.
            subprocess.run(command, check=True, env=environment, stderr=log, stdout=log)
        blob.close()
        queue.close()


class World:
    """Storage with files in it, and the fleet that processes them."""

    def __init__(self, plan: Plan, connection_string: str, folder: Path) -> None:
        self.findings = Findings()
        self._connection_string = connection_string
        self._dice = Dice(plan, self.findings)
        self._etags: dict[str, str] = {}
        self._folder = folder
        self._plan = plan
        (folder / "bin").mkdir()
        application = folder / "bin" / "app"
        application.write_text(APPLICATION)
        application.chmod(0o755)

    def run(self, say: Callable[[str], None]) -> Findings:
        """Put the files up, let the fleet work under fire, and look at what is there in the end."""
        started = time.monotonic()
        with (
            BlobServiceClient.from_connection_string(self._connection_string) as blobs,
            QueueServiceClient.from_connection_string(self._connection_string) as queues,
        ):
            files = blobs.create_container(NAMES.container)
            jobs = queues.create_queue(JOBS_QUEUE)
            queues.create_queue(JOBS_POISON_QUEUE)

            def upload(name: str, content: bytes) -> None:
                client = files.upload_blob(name, content, overwrite=True)
                etag = plain_etag(str(client.get_blob_properties().etag))
                self._etags[name] = etag
                job = FileJob(etag=etag, event_id="chaos", name=name, queued_at=now(), size=len(content))
                # Event Grid may deliver twice.
                for _ in range(2 if self._dice.chosen(0.1) else 1):
                    jobs.send_message(job.encode(), time_to_live=-1)

            names = [f"incoming/{number % 7}/{number}.csv" for number in range(self._plan.files)]
            for name in names:
                upload(name, name.encode())
            fleet = Fleet(self._plan.workers, self._folder, self._connection_string, self._dice)
            try:
                for name in names:
                    if self._dice.chosen(self._plan.overwrite_rate):
                        time.sleep(self._dice.moment(0.2))
                        upload(name, f"{name}, overwritten".encode())
                        self.findings.overwritten += 1
                self._wait(files, lambda: jobs.get_queue_properties().approximate_message_count or 0, say)
            finally:
                self._dice.calm = True
                fleet.close()
            self._judge(files)
            self._find_leaks(fleet.marker)
        self.findings.seconds = time.monotonic() - started
        return self.findings

    def _wait(self, files: ContainerClient, left: Callable[[], int], say: Callable[[str], None]) -> None:
        told = 0.0
        # Kills that are still to come need messages to be in work, so calm comes with the last of them.
        while count := left():
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say(f"{count} messages left, {self.findings.kills} kills")
                self._spot_check(files)
            time.sleep(0.2)

    def _spot_check(self, files: ContainerClient) -> None:
        """Look, as any reader may at any time, whether what a receipt says is there."""
        for blob in files.list_blobs(name_starts_with=f"{NAMES.output_path}/"):
            if blob.name.endswith("/receipt.json"):
                self._check_receipt(files, blob.name)

    def _check_receipt(self, files: ContainerClient, name: str) -> Receipt | None:
        while True:
            try:
                download = files.download_blob(name)
            except ResourceNotFoundError:
                return None
            receipt = Receipt.decode(download.readall().decode())
            problem = self._compare(files, receipt)
            if problem is None:
                return receipt
            # The input may have been overwritten while this looked; then there is another receipt by now.
            if plain_etag(str(files.get_blob_client(name).get_blob_properties().etag)) == plain_etag(
                str(download.properties.etag)
            ):
                problem_list = self.findings.mixed if problem.startswith("mixed") else self.findings.torn
                problem_list.append(f"{name}: {problem}")
                return receipt

    def _compare(self, files: ContainerClient, receipt: Receipt) -> str | None:
        marks = set()
        for output in receipt.outputs:
            try:
                content = files.download_blob(output.name).readall()
            except ResourceNotFoundError:
                return f"{output.name} is missing"
            if (len(content), hashlib.sha256(content).hexdigest()) != (output.size, output.sha256):
                return f"{output.name} does not match"
            marks.add(content.split(b"\n", 1)[0])
        return "mixed: results of several attempts" if len(marks) > 1 else None

    def _judge(self, files: ContainerClient) -> None:
        named: set[str] = set()
        for name, etag in self._etags.items():
            receipt = self._check_receipt(files, NAMES.receipt_name(name))
            if receipt is None or receipt.input.etag != etag or receipt.status != "succeeded":
                self.findings.lost.append(f"{name} version {etag}: {receipt and (receipt.input.etag, receipt.error)}")
                continue
            self.findings.succeeded += 1
            named |= {output.name for output in receipt.outputs}
            named |= {NAMES.receipt_name(name), NAMES.log_name(name)}
        there = {blob.name for blob in files.list_blobs(name_starts_with=f"{NAMES.output_path}/")}
        self.findings.stray = len(there - named)

    def _find_leaks(self, marker: str) -> None:
        for process in psutil.process_iter():
            try:
                if process.environ().get("CHAOS_MARKER") == marker:
                    self.findings.leaked.append(f"process {process.pid}: {process.cmdline()}")
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        # The folders of killed workers are removed by the next worker, and the last one ends by itself.
        for left in self._folder.glob("worker-*/scratch/*"):
            self.findings.leaked.append(str(left))
