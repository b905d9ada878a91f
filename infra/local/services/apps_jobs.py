"""A Container Apps job on this machine: its scaler, and a supervised process for each execution."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from infra.local.processes.child import Child
from infra.local.processes.supervisor import ShuttingDownError, Supervisor
from infra.local.services.engines import Definition, Engine
from infra.local.services.keda import Scale, executions_to_start
from infra.local.services.liveness import Probe
from infra.local.services.ports import hold_port
from infra.local.watching.watcher import Watcher, pass_on
from pipeline_app.rest.endpoint import StorageError, StorageUnreachable

# Azure keeps the last executions of a job, 100 that succeeded and 100 that failed; of all here, so many.
# Source: https://learn.microsoft.com/azure/container-apps/jobs
HISTORY: Final = 100
# A replica is asked to end by SIGTERM and killed so much later, and no setting changes that.
# Source: https://github.com/microsoft/azure-container-apps/issues/1669
GRACE_SECONDS: Final = 30.0
AT_WORK: Final = frozenset({"Processing", "Running"})


@dataclass(frozen=True, kw_only=True)
class Delays:
    """What Azure takes, in seconds, from the start of an execution to its process and from its end to its state."""

    start: float = 0.0
    end: float = 0.0


@dataclass
class Execution:
    """One execution; ``status`` is one of Azure's words for it, and ``over`` is set once its process has ended."""

    name: str
    started: datetime
    ended: datetime | None = None
    over: threading.Event = field(default_factory=threading.Event)
    status: str = "Processing"

    def view(self, job_id: str) -> dict[str, Any]:
        """Return it as the API shows it."""
        properties = {"startTime": _text(self.started), "status": self.status}
        if self.ended:
            properties["endTime"] = _text(self.ended)
        return {
            "id": f"{job_id}/executions/{self.name}",
            "name": self.name,
            "properties": properties,
            "type": "Microsoft.App/jobs/executions",
        }


class AppsJob:
    """An event-driven job whose executions have one replica with one container and are not tried again."""

    def __init__(
        self,
        definition: Definition,
        scale: Scale,
        replica_timeout: float,
        count: Callable[[], int],
        engine: Engine,
        supervisor: Supervisor,
        watcher: Watcher,
        delays: Delays,
    ) -> None:
        """Take what an execution runs.

        Args:
            definition: the container; an execution has a name of its own.
            scale: the scaler's rule.
            replica_timeout: the seconds from the start of an execution until it is ended.
            count: returns how many messages there are, and raises what a request to the storage raises.
            engine: runs the containers.
            supervisor: starts their processes.
            watcher: is told of what they write.
            delays: that Azure would take.
        """
        self._closing = threading.Event()
        self._count = count
        self._definition = definition
        self._delays = delays
        self._engine = engine
        self._executions: list[Execution] = []
        self._lock = threading.Lock()
        self._replica_timeout = replica_timeout
        self._scale = scale
        self._scaler = threading.Thread(target=self._poll, name=f"{definition.name} scaler", daemon=True)
        self._supervisor = supervisor
        self._trouble: str | None = None
        self._watcher = watcher

    def executions(self) -> list[dict[str, Any]]:
        """Return the executions that are remembered, the newest first, as the API shows them."""
        with self._lock:
            return [each.view(self._definition.id) for each in reversed(self._executions)]

    def start(self) -> None:
        """Let the scaler begin."""
        self._scaler.start()

    def stop(self) -> None:
        """Start no more executions; those that run go on."""
        self._closing.set()
        if self._scaler.ident is not None:
            self._scaler.join()

    def clear(self) -> None:
        """Remove what executions left, once their processes have ended."""
        with self._lock:
            executions = list(self._executions)
        for execution in executions:
            execution.over.wait(GRACE_SECONDS)
            self._engine.remove(self._named(execution))

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._look()
            self._closing.wait(self._scale.polling_seconds)

    def _look(self) -> None:
        try:
            messages = self._count()
        except (StorageError, StorageUnreachable) as error:
            # The scaler of Azure says nothing either, and looks again; once is enough for a person to know.
            if self._trouble != str(error):
                self._watcher.warn(self._definition.name, f"The scaler cannot count the jobs: {error}")
            self._trouble = str(error)
            return
        self._trouble = None
        with self._lock:
            at_work = sum(each.status in AT_WORK for each in self._executions)
            made = [self._new() for _ in range(executions_to_start(messages, at_work, self._scale))]
        for execution in made:
            thread = threading.Thread(target=self._run, args=(execution,), name=execution.name, daemon=True)
            thread.start()

    def _new(self) -> Execution:
        execution = Execution(f"{self._definition.name}-{secrets.token_hex(4)}", datetime.now(UTC))
        self._executions.append(execution)
        return execution

    def _run(self, execution: Execution) -> None:
        code: int | None = None
        try:
            code = self._process(execution)
        except ShuttingDownError as error:
            self._watcher.log(execution.name, str(error))
        except OSError as error:
            self._watcher.warn(execution.name, f"The execution could not be started: {error}")
        finally:
            execution.over.set()
        if code:
            self._watcher.warn(execution.name, f"The execution ended with exit code {code}.")
        self._engine.remove(self._named(execution))
        self._closing.wait(self._delays.end)
        with self._lock:
            execution.ended = datetime.now(UTC)
            execution.status = "Succeeded" if code == 0 else "Failed"
            forgotten = [each for each in self._executions if each.status not in AT_WORK][:-HISTORY]
            self._executions = [each for each in self._executions if each not in forgotten]
        for each in forgotten:
            self._engine.log_of(self._named(each)).unlink(missing_ok=True)

    def _process(self, execution: Execution) -> int | None:
        """Run an execution's process to its end, or to the replica's timeout; return its exit code."""
        # The time of a replica counts from the start of its execution, whenever its image has come.
        if self._closing.wait(min(self._delays.start, self._replica_timeout)):
            return None
        with hold_port() as held:
            port = held.getsockname()[1]
            child = self._supervisor.start(
                self._engine.command(self._named(execution), port),
                on_line=lambda line: pass_on(self._watcher, execution.name, line),
            )
            with self._lock:
                execution.status = "Running"
            if self._definition.probe is not None:
                arguments = (execution, child, self._definition.probe, port)
                threading.Thread(
                    target=self._watch, args=arguments, name=f"{execution.name} liveness", daemon=True
                ).start()
            if not child.ended.wait(max(self._replica_timeout - self._delays.start, 0.0)):
                self._watcher.log(execution.name, f"The replica's {self._replica_timeout:g} seconds are over.")
                self._supervisor.stop(child, GRACE_SECONDS)
            return child.exit_code

    def _watch(self, execution: Execution, child: Child, probe: Probe, port: int) -> None:
        """End an execution whose container shows no life, since it is not tried again."""
        problem = probe.watch(port, child.ended)
        if problem is not None:
            self._watcher.warn(execution.name, f"The container shows no life and is ended: {problem}.")
            self._supervisor.stop(child, GRACE_SECONDS)

    def _named(self, execution: Execution) -> Definition:
        return dataclasses.replace(self._definition, name=execution.name)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
