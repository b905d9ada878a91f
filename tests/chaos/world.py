"""The first scenario: workers that are killed and requests that go wrong, and what is true at the end all the same.

Each worker reaches storage through a proxy of its own, which knows at which step of its work it is. Jobs are put on
the queue directly. The proxies see every write, so that a version's second receipt cannot be missed.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, now, plain_etag
from tests.chaos.application import Application
from tests.chaos.checking import NAMES, Checker, Findings, Version
from tests.chaos.fleet import Fleet
from tests.chaos.proxy import KILLS, Harm, Request
from tests.chaos.steps import IN_APPLICATION, STEPS

# How much more harm there is once all files are done and kills are still to come.
HASTE: Final = 4
LOOK_SECONDS: Final = 2.0
LOOKS: Final = 20
# A worker asks for these once or twice for each file; without more harm to them, the many looks would get most of it.
ONCE: Final = frozenset({"delete the message", "download", "write the receipt", "write the result"})
TELL_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much happens: ``harm_rate`` and ``overwrite_rate`` are chances for each request and each file.

    Files are overwritten until so many workers were killed. ``every_step`` asks that each named step was hit.
    """

    every_step: bool
    files: int
    harm_rate: float
    kills: int
    overwrite_rate: float
    seed: int
    workers: int


class Dice:
    """Decides what goes wrong; the same seed gives the same decisions in the order in which it is asked."""

    def __init__(self, plan: Plan) -> None:
        self._chance = random.Random(plan.seed)  # noqa: S311 -- repeatable, not secret.
        self._lock = threading.Lock()
        self._plan = plan
        self.calm = False
        self.harms: Counter[tuple[str, Harm]] = Counter()
        self.hasty = False
        self.late: set[str] = set()

    @property
    def kills(self) -> int:
        """How many kills were decided."""
        with self._lock:
            return sum(count for (_, harm), count in self.harms.items() if harm in KILLS)

    def decide(self, request: Request) -> Harm:
        """Say what harm comes to a request."""
        with self._lock:
            rate = self._plan.harm_rate * (2 if request.step in ONCE else 1) * (HASTE if self.hasty else 1)
            if self.calm or self._chance.random() > rate:
                return Harm.NONE
            others = [Harm.CUT_AFTER, Harm.CUT_BEFORE, Harm.REFUSE]
            # A late write is the worst that can be done to a protocol, but looking late harms nobody.
            if request.step.startswith(("write", "remove", "delete", "renew")):
                others.append(Harm.LATE)
            kills = [Harm.KILL_AFTER, Harm.KILL_BEFORE, Harm.KILL_LATER]
            if request.step == "download":
                kills += [Harm.KILL_IN_APP, Harm.KILL_MIDWAY]
            harm = self._chance.choice(kills * 2 + others)
            self.harms[request.step, harm] += 1
            if harm is Harm.LATE:
                self.late.add(request.subject)
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

    def some(self, names: list[str], count: int) -> list[str]:
        """Return some of the names."""
        with self._lock:
            return self._chance.sample(names, min(count, len(names)))


class World:
    """Storage with files in it, and the fleet that processes them."""

    def __init__(self, plan: Plan, connection_string: str, folder: Path) -> None:
        self.findings = Findings()
        self._application = Application(folder=folder / "application")
        self._application.write()
        self._connection_string = connection_string
        self._dice = Dice(plan)
        self._folder = folder
        self._plan = plan
        self._versions: dict[str, Version] = {}

    def run(self, say: Callable[[str], None]) -> Findings:
        """Put the files up, let the fleet work under fire, and look at what is there in the end."""
        started = time.monotonic()
        counts = self.findings.counts
        counts.update(dict.fromkeys(["files", "files with their receipt", "overwritten meanwhile"], 0))
        with (
            BlobServiceClient.from_connection_string(self._connection_string) as blobs,
            QueueServiceClient.from_connection_string(self._connection_string) as queues,
        ):
            files = blobs.create_container(NAMES.container)
            jobs = queues.create_queue(JOBS_QUEUE)
            queues.create_queue(JOBS_POISON_QUEUE)
            names = [f"incoming/{number % 7}/{number}.csv" for number in range(self._plan.files)]
            for name in names:
                self._upload(files, jobs, name)
            counts["files"] = len(names)
            fleet = Fleet(self._plan.workers, self._folder, self._connection_string, self._dice, self._application)
            try:
                for name in names:
                    if self._dice.chosen(self._plan.overwrite_rate):
                        time.sleep(self._dice.moment(0.2))
                        self._overwrite(files, jobs, name)
                self._wait(files, jobs, names, say)
            finally:
                self._dice.calm = True
                fleet.close()
            say("Calm. Looking at everything.")
            self._count(fleet)
            self.findings.duplicated += fleet.findings.duplicated
            checker = Checker(files, self.findings)
            checker.judge(self._versions, self._application.runs(), deleted=set(), late=self._dice.late)
        self.findings.leaked += fleet.leaks()
        self.findings.seconds = time.monotonic() - started
        return self.findings

    def _upload(self, files: ContainerClient, jobs: QueueClient, name: str) -> None:
        number = 0 if name not in self._versions else int(self._versions[name].line.rpartition(" ")[2]) + 1
        content = f"{name} version {number}\n".encode() + b"x" * 1000
        etag = plain_etag(str(files.get_blob_client(name).upload_blob(content, overwrite=True)["etag"]))
        self._versions[name] = Version(content=content, etag=etag)
        job = FileJob(etag=etag, event_id="chaos", name=name, queued_at=now(), size=len(content))
        # Event Grid may deliver twice.
        for _ in range(2 if self._dice.chosen(0.1) else 1):
            jobs.send_message(job.encode(), time_to_live=-1)

    def _overwrite(self, files: ContainerClient, jobs: QueueClient, name: str) -> None:
        self._upload(files, jobs, name)
        self.findings.counts["overwritten meanwhile"] += 1

    def _wait(self, files: ContainerClient, jobs: QueueClient, names: list[str], say: Callable[[str], None]) -> None:
        checker = Checker(files, self.findings)
        told = looked = time.monotonic()
        while (left := jobs.get_queue_properties().approximate_message_count or 0) or (
            self._dice.kills < self._plan.kills
        ):
            # A worker can only be killed at a step of its work while there is work.
            if left < 2 * self._plan.workers and self._dice.kills < self._plan.kills:
                self._dice.hasty = True
                for name in self._dice.some(names, self._plan.workers):
                    self._overwrite(files, jobs, name)
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                checker.look(self._dice.some(names, LOOKS))
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                say(f"{left} messages left, {self._dice.kills} kills")
            time.sleep(0.2)

    def _count(self, fleet: Fleet) -> None:
        counts = self.findings.counts
        decided = Counter[Harm]()
        for (_, harm), count in self._dice.harms.items():
            decided[harm] += count
        # Not every order to kill found an application that ran.
        decided[Harm.KILL_IN_APP] = fleet.steps[IN_APPLICATION]
        counts["workers killed"] = sum(decided[harm] for harm in KILLS)
        for step in STEPS:
            counts[f"- {step}"] = fleet.steps[step]
            if self._plan.every_step and not fleet.steps[step]:
                self.findings.undone.append(f"No worker was killed {step}; take more files or another seed.")
        counts["- at another moment"] = counts["workers killed"] - sum(fleet.steps.values())
        counts["connections cut"] = decided[Harm.CUT_AFTER] + decided[Harm.CUT_BEFORE]
        counts["requests refused with 429, 500 or 503"] = decided[Harm.REFUSE]
        counts["writes held back beyond the claim"] = decided[Harm.LATE]
        counts["left by late writes"] = 0
