"""The second scenario: a whole local run whose processes are killed, over one data folder from start to start.

Storage here is Azurite, which acknowledges a write up to five seconds before it is on disk. A kill of storage, or of
all at once, therefore takes acknowledged writes back, which Azure never does. The run ends then as in a power cut, and
the client makes its forgotten uploads again. A kill of the ``up`` process alone lets storage end in order: nothing may
be forgotten then. Receipts are looked at after every kill; between two looks one could come and go unseen, which the
ledger of the application's runs shows all the same.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from infra.local.cloud.machine import AZURITE_FOLDER, OUTPUTS
from infra.local.commands.run import PROJECT
from infra.local.processes.supervisor import Supervisor
from infra.local.processes.waiting import wait_until
from infra.local.services.azurite import StorageAccount, install
from infra.settings.runner_limits import RunnerKind
from tests.chaos import victims
from tests.chaos.application import ALIAS, Application
from tests.chaos.checking import NAMES, Attempts, Checker, Findings
from tests.chaos.client import FORGOTTEN, Account, Client, connected
from tests.chaos.noise import Noise
from tests.chaos.victims import Victim
from tests.local.runs import STOP_SECONDS, Run, leftovers

CALM_SECONDS: Final = 180.0
CONFIG: Final = (
    f"appAlias={ALIAS}",
    f"appFile={ALIAS}",
    "appInstallerFile=",
    "claimSeconds=10",
    "idleSeconds=2",
    "maxAttempts=100",
    "sweepGraceSeconds=5",
    "sweepPauseSeconds=10",
    "sweepSchedule=*/3 * * * * *",
)
# The executions of a job live for so short a time that they end amid the kills.
OF_RUNNER: Final[Mapping[RunnerKind, tuple[str, ...]]] = {
    "containerAppsJob": ("maxExecutions=2", "replicaTimeoutSeconds=62"),
    "containerInstances": ("containerGroupCount=2",),
}
# How often each is killed, in proportion; the first ones have their turn in a short form, too.
DECK: Final = (
    Victim.WORKER,
    Victim.FUNCTION_HOST,
    Victim.STORAGE,
    Victim.RUN,
    Victim.EVERYTHING,
    Victim.WORKER,
    Victim.FUNCTION_HOST,
    Victim.WORKER,
    Victim.FUNCTION_HOST,
    Victim.WORKER,
)
FORGETTING: Final = frozenset({Victim.EVERYTHING, Victim.STORAGE})
JOURNAL: Final = "events-delivered-until"
LOOKS: Final = 10
SURVIVED: Final = frozenset({Victim.FUNCTION_HOST, Victim.WORKER})
WHILE_DOWN: Final = "uploaded while the run was down, unheard"


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """How much happens, to which runner.

    The rates are chances for each file, ``most_seconds`` is the longest wait before a kill.
    """

    delete_rate: float = 0.05
    files: int
    kills: int
    most_seconds: float = 2.0
    overwrite_rate: float = 0.1
    runner: RunnerKind = "containerInstances"
    seed: int


class RunUnderFire:
    """A local run over ``folder/data`` and its client."""

    def __init__(self, plan: RunPlan, folder: Path) -> None:
        self.findings = Findings()
        self._application = Application(folder=folder / "application")
        self._application.write(pause_seconds=0.1)
        self._attempts = Attempts(self.findings)
        self._chance = random.Random(plan.seed)  # noqa: S311 -- repeatable, not secret.
        self._client = Client(self._chance, self.findings.counts)
        self._connection = ExitStack()
        self._data = folder / "data"
        self._folder = folder
        self._plan = plan
        for victim in Victim:
            self.findings.counts[f"killed: {victim.value}"] = 0
        self.findings.counts.update({"files with their receipt": 0, "found by the sweep": 0, WHILE_DOWN: 0})
        self._account: Account
        self._connection_string: str
        self._noise: Noise
        self._run: Run

    def run(self, say: Callable[[str], None]) -> Findings:
        """Kill until all kills are done, let it calm down, and look at what is there."""
        started = time.monotonic()
        deck = [victim for victim, _ in zip(itertools.cycle(DECK), range(self._plan.kills), strict=False)]
        self._chance.shuffle(deck)
        self._run = self._up()
        try:
            self._account = self._connect()
            self._noise = Noise(_part(self._connection_string, "AccountName"), self._chance, self.findings.counts)
            for number, victim in enumerate(deck):
                due = self._plan.files * (number + 1) // len(deck)
                self._work(due - self.findings.counts["files"])
                time.sleep(self._chance.uniform(0, self._plan.most_seconds))
                self._kill(victim)
                self._attempts.sample(self._account.files)
                Checker(self._account.files, self.findings).look(self._some(LOOKS))
                say(f"{number + 1} kills, {self.findings.counts['files']} files, last {victim.value}")
            self._noise.release(self._account.events)
            self._calm(say)
            checker = Checker(self._account.files, self.findings)
            checker.judge(
                self._client.versions, self._application.runs(), deleted=self._client.deleted, late=frozenset()
            )
        finally:
            self._end()
        self.findings.seconds = time.monotonic() - started
        return self.findings

    def _work(self, count: int) -> None:
        """Upload so many files, and do to some of the files and of the events what may happen to them."""
        files, events = self._account.files, self._account.events
        for _ in range(count):
            name = self._client.create(files)
            if self._chance.random() < 0.2:
                self._noise.repeat(events, name, self._client.versions[name].etag)
            if self._chance.random() < self._plan.overwrite_rate:
                time.sleep(self._chance.uniform(0, 0.5))
                self._client.overwrite(files, self._client.some())
            if self._chance.random() < self._plan.delete_rate:
                self._client.delete(files, self._client.some())
        for name, etag in self._some_of(self._client.earlier, 1):
            self._noise.repeat(events, name, etag)
        if self._chance.random() < 0.3:
            self._noise.confuse(events, self._client.some())
        act = self._chance.choice([self._noise.hold_back, self._noise.release])
        act(events)

    def _kill(self, victim: Victim) -> None:
        # A worker is only there while there is work, so there may have to be some.
        deadline = time.monotonic() + 30
        while not (found := victims.find(victim, self._run.process.pid)):
            if time.monotonic() > deadline:
                self.findings.undone.append(f"There was no {victim.value} to kill: {self._run.text()[-500:]}")
                return
            if not wait_until(lambda: bool(victims.find(victim, self._run.process.pid)), 2):
                self._client.overwrite(self._account.files, self._client.some())
        members = victims.family(self._run.process.pid)
        if victim is Victim.FUNCTION_HOST and self._chance.random() < 0.5:
            # While it is gone, events wait where they can be taken from.
            victims.kill(found)
            self._client.create(self._account.files)
            self._noise.hold_back(self._account.events)
        elif victim in (Victim.EVERYTHING, Victim.RUN):
            victims.kill(found)
        else:
            victims.kill([self._chance.choice(found)])
        self.findings.counts[f"killed: {victim.value}"] += 1
        if victim not in SURVIVED:
            self._restart(victim, members)

    def _restart(self, victim: Victim, members: list[psutil.Process]) -> None:
        """Wait for the end of a run and start the next one; see that it ended as it should."""
        wait_until(lambda: self._run.process.poll() is not None, STOP_SECONDS)
        code = self._run.process.poll()
        if victim is Victim.STORAGE and (code != 1 or "as in a power cut" not in self._run.text()):
            self.findings.leaked.append(f"up ended with {code} when storage had died, instead of a power cut with 1")
            # It would work on over the same data as the next run.
            victims.kill(victims.family(self._run.process.pid))
            self._run.process.wait()
        _, alive = psutil.wait_procs(members, timeout=STOP_SECONDS)
        if alive or (left := leftovers(self._data)):
            self.findings.leaked.append(f"after the kill of {victim.value}: {alive or left}")
        self._keep_log()
        # Whatever the dice say, the sweep has something to find.
        unheard = self._chance.random() < 0.5 or not self.findings.counts[WHILE_DOWN]
        forgotten = self._upload_unheard() if unheard else 0
        # Where all were killed at once, nobody was left to remove it, and it would be taken for the next run's.
        (self._data / OUTPUTS).unlink(missing_ok=True)
        self._run = self._up()
        self._account = self._connect()
        forgotten += self._client.restore(self._account.files)
        if victim in FORGETTING:
            self._attempts.forget()
            self.findings.counts[FORGOTTEN] += forgotten
        elif forgotten:
            self.findings.lost.append(f"{forgotten} inputs were gone though only {victim.value} was killed")

    def _upload_unheard(self) -> int:
        """Upload while nobody listens, and take away what would tell the next run where to look.

        Returns:
            How many acknowledged writes were not there any more and were made again.
        """
        name, key = (_part(self._connection_string, part) for part in ("AccountName", "AccountKey"))
        supervisor = Supervisor(self._folder / "processes.json", self._folder / "beacon")
        account = StorageAccount(name, key, self._data / "storage" / name, self._folder / "azurite.log")
        try:
            account.start(supervisor, install(supervisor, PROJECT / AZURITE_FOLDER, print), self.findings.undone.append)
            with connected(account.connection_string) as storage:
                forgotten = self._client.restore(storage.files)
                self._client.create(storage.files)
                self.findings.counts[WHILE_DOWN] += 1
        finally:
            supervisor.close()
        # It would raise the event of what came while nobody listened.
        (self._data / JOURNAL).unlink(missing_ok=True)
        return forgotten

    def _calm(self, say: Callable[[str], None]) -> None:
        """Wait until every input has its receipt and nothing is left on the queues."""

        def is_calm() -> bool:
            receipts = self._attempts.sample(self._account.files)
            open_inputs = [
                name
                for name, version in self._client.versions.items()
                if receipts.get(NAMES.receipt_name(name)) != version.etag
            ]
            queues = (self._account.events, self._account.jobs)
            counts = [queue.get_queue_properties().approximate_message_count for queue in queues]
            say(f"{len(open_inputs)} inputs without a receipt; {counts} events and jobs")
            return not open_inputs and not any(counts)

        wait_until(is_calm, CALM_SECONDS, interval=3)

    def _end(self) -> None:
        if self._run.process.poll() is None:
            code = self._run.end()
            if code != 0:
                self.findings.leaked.append(f"the last up ended with {code}")
        self._connection.close()
        self._keep_log()
        self.findings.leaked += [f"process: {line}" for line in leftovers(self._data)]
        self.findings.leaked += [str(left) for left in self._data.glob("containers/*/tmp/*")]

    def _up(self) -> Run:
        configs = (
            f"artifactPath={self._application.script_folder}",
            f"exportConfigFile={self._application.export_config}",
            f"runtimeConfigFile={self._application.runtime_config}",
        )
        runner = (f"runner={self._plan.runner}", *OF_RUNNER[self._plan.runner])
        return Run(self._data, *CONFIG, *runner, f"appWritablePaths={self._application.ledger}", *configs)

    def _connect(self) -> Account:
        self._connection.close()
        self._connection_string = str(self._run.ready()["appStorageConnectionString"])
        return self._connection.enter_context(connected(self._connection_string))

    def _keep_log(self) -> None:
        with (self._folder / "up.log").open("a", encoding="utf-8") as log:
            log.write(self._run.text())

    def _some(self, count: int) -> list[str]:
        return self._chance.sample(sorted(self._client.versions), min(count, len(self._client.versions)))

    def _some_of(self, items: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
        return self._chance.sample(items, min(count, len(items)))


def _part(connection_string: str, name: str) -> str:
    match = re.search(rf"{name}=([^;]+)", connection_string)
    if match is None:
        raise ValueError(f"The connection string has no {name}.")
    return match[1]
