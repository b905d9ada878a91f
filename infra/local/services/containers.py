"""Container groups on this machine: one supervised process each, with the states and the manners of the real ones."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from infra.local.processes.child import Child
from infra.local.processes.supervisor import ShuttingDownError, Supervisor
from infra.local.services.arm import TransitioningError
from infra.local.services.engines import Definition, Engine
from infra.local.services.liveness import Probe
from infra.local.services.ports import hold_port
from infra.local.watching.watcher import Watcher, pass_on

# The group's state lags behind its container's, as seen on Azure: it says Running though the container has ended, and a
# start is answered as if it ran.
LAG_SECONDS: Final = 0.2
STOP_GRACE_SECONDS: Final = 15.0


class ContainerGroup:
    """A group with one container and the restart policy Never."""

    def __init__(self, definition: Definition, engine: Engine, supervisor: Supervisor, watcher: Watcher) -> None:
        self._child: Child | None = None
        self._definition = definition
        self._engine = engine
        self._lock = threading.Lock()
        held = hold_port()
        self._port: int = held.getsockname()[1]
        weakref.finalize(self, held.close)
        self._started: datetime | None = None
        self._finished: datetime | None = None
        self._exit_code: int | None = None
        self._starting = False
        self._state = "Stopped"
        self._supervisor = supervisor
        self._transitioning = False
        self._watcher = watcher

    @property
    def location(self) -> str:
        """Its Azure region."""
        return self._definition.location

    @property
    def health_url(self) -> str:
        """The worker's status while it runs."""
        return f"http://127.0.0.1:{self._port}/status"

    def clear(self) -> None:
        """Remove what the container left, once its process has ended."""
        self._engine.clear(self._definition)

    def start(self) -> threading.Event | None:
        """Begin to start it; see ``arm.Group``."""
        with self._lock:
            if self._starting:
                return None
            if self._transitioning:
                raise TransitioningError
            if self._shown() == "Running":
                return None
            self._starting = True
            self._begin("Pending")
        return self._in_background(self._launch)

    def stop(self) -> None:
        """Begin to stop it; see ``arm.Group``."""
        with self._lock:
            if self._transitioning:
                raise TransitioningError
            child, self._child = self._child, None
            if child is None:
                return
            self._transitioning = True
        self._in_background(lambda: self._end(child))

    def restart(self) -> None:
        """Begin to stop and start it; see ``arm.Group``."""
        with self._lock:
            if self._transitioning:
                raise TransitioningError
            child, self._child = self._child, None
            self._begin("Pending")

        def again() -> None:
            if child:
                self._supervisor.stop(child, STOP_GRACE_SECONDS)
            self._launch()

        self._in_background(again)

    def view(self) -> dict[str, Any]:
        """Return the group as the API shows it."""
        definition = self._definition
        with self._lock:
            current: dict[str, Any] = {"detailStatus": "", "state": "Waiting"}
            if self._state == "Running":
                current["state"] = "Running"
            elif self._finished:
                current.update(exitCode=self._exit_code, finishTime=_text(self._finished), state="Terminated")
                current["detailStatus"] = "Completed" if self._exit_code == 0 else "Error"
            if self._started and current["state"] != "Waiting":
                current["startTime"] = _text(self._started)
            state = self._shown()
        container = {
            "name": definition.container,
            "properties": {
                "image": definition.image.reference,
                "instanceView": {"currentState": current, "restartCount": 0},
            },
        }
        return {
            "id": definition.id,
            "location": definition.location,
            "name": definition.name,
            "properties": {
                "containers": [container],
                "instanceView": {"events": [], "state": state},
                "osType": "Linux",
                "provisioningState": "Pending" if state == "Pending" else "Succeeded",
                "restartPolicy": "Never",
            },
            "type": "Microsoft.ContainerInstance/containerGroups",
        }

    def _begin(self, state: str) -> None:
        self._transitioning = True
        self._state = state
        self._started = self._finished = self._exit_code = None

    def _shown(self) -> str:
        """Return the state as Azure would show it at this moment."""
        ended = self._state in ("Failed", "Succeeded") and self._finished
        lags = ended and datetime.now(UTC) - ended < timedelta(seconds=LAG_SECONDS)
        return "Running" if lags else self._state

    def _end(self, child: Child) -> None:
        self._supervisor.stop(child, STOP_GRACE_SECONDS)
        self._engine.clear(self._definition)
        with self._lock:
            self._finished = datetime.now(UTC)
            self._exit_code = child.exit_code
            self._state = "Stopped"

    def _in_background(self, work: Callable[[], None]) -> threading.Event:
        done = threading.Event()

        def run() -> None:
            try:
                work()
            except ShuttingDownError as error:
                self._watcher.log(self._definition.name, str(error))
            except OSError as error:
                self._fail(error)
            finally:
                with self._lock:
                    self._starting = self._transitioning = False
                done.set()

        threading.Thread(target=run, name=f"{self._definition.name} transition", daemon=True).start()
        return done

    def _fail(self, error: OSError) -> None:
        """Show it as failed, as Azure does where a group cannot be started, so that it can be started again."""
        with self._lock:
            self._child = None
            self._finished = datetime.now(UTC)
            self._state = "Failed"
        self._watcher.warn(self._definition.name, f"The container could not be started: {error}")

    def _launch(self) -> None:
        name = self._definition.name
        self._engine.clear(self._definition)
        child_of: list[Child] = []
        with self._lock:
            command = self._engine.command(self._definition, self._port)
            child = self._supervisor.start(
                command,
                on_line=lambda line: pass_on(self._watcher, name, line),
                on_exit=lambda code: self._exited(child_of[0], code),
            )
            child_of.append(child)
            self._child = child
            self._started = datetime.now(UTC)
            self._state = "Running"
        if (probe := self._definition.probe) is not None:
            threading.Thread(target=self._watch, args=(child, probe), name=f"{name} liveness", daemon=True).start()

    def _exited(self, child: Child, code: int) -> None:
        with self._lock:
            # A stop or restart has taken over, so this end is no longer the group's state.
            if self._child not in (None, child):
                return
            self._child = None
            self._finished = datetime.now(UTC)
            self._exit_code = code
            self._state = "Succeeded" if code == 0 else "Failed"
        if code:
            self._watcher.warn(self._definition.name, f"The container ended with exit code {code}.")

    def _watch(self, child: Child, probe: Probe) -> None:
        """End a container that shows no life; by its restart policy it stays ended until somebody starts it."""
        problem = probe.watch(self._port, child.ended)
        with self._lock:
            if problem is None or self._child is not child:
                return
        self._watcher.warn(self._definition.name, f"The container shows no life and is ended: {problem}.")
        self._supervisor.stop(child, STOP_GRACE_SECONDS)
        self._exited(child, child.exit_code)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
