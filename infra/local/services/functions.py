"""The Function App on this machine: the deployed archive, unpacked, in a host process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.local.data.folder import DataFolder
from infra.local.processes.child import Command
from infra.local.processes.supervisor import ShuttingDownError, Supervisor
from infra.local.watching.watcher import Watcher, event_of, pass_on
from pipeline_app.contract.function_events import Dispatched, Requeued

HOSTING: Final = Path(__file__).with_name("hosting")
MAX_RESTART_DELAY: Final = 10.0
READY_SECONDS: Final = 60.0

# What the function logs once a job is on its queue, for an event or by the sweep.
_QUEUED: Final = frozenset({Dispatched.kind, Requeued.kind})


class FunctionError(RuntimeError):
    """The function's host does not come up; the text has what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A Function App as declared: its settings as its code sees them, and the identities it has."""

    client_ids: frozenset[str]
    name: str
    settings: Mapping[str, str]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a function's archive into a folder, once."""
    done = folder.with_name(f"{folder.name}.complete")
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(archive) as source:
        source.extractall(folder)
    done.touch()


class FunctionHost:
    """The process that serves a Function App; if it dies, it is started again."""

    def __init__(
        self,
        site: Site,
        root: Path,
        data: DataFolder,
        watcher: Watcher,
        on_call: Callable[[str, str, str], None],
        on_job: Callable[[str], None],
    ) -> None:
        """Describe the host.

        ``on_call`` gets the function's name, the id of the queue message and the outcome of each call; ``on_job`` gets
        the input's name for each job that was put on the queue.
        """
        self._data = data
        self._ended = threading.Event()
        self._failures = 0
        self._on_call = on_call
        self._on_job = on_job
        self._output: list[str] = []
        self._ready = threading.Event()
        self._root = root
        self._site = site
        self._watcher = watcher

    def start(self, supervisor: Supervisor) -> None:
        """Start the process and wait until its triggers listen.

        Raises:
            FunctionError: the code cannot be imported or a setting is missing; the text has what was written.
            ShuttingDownError: the run is being taken down.
        """
        self._launch(supervisor)
        end = time.monotonic() + READY_SECONDS
        while not self._ready.wait(0.02):
            if supervisor.closing.is_set():
                raise ShuttingDownError(f"{self._site.name} was not started since the run is being taken down.")
            if self._ended.is_set() or time.monotonic() > end:
                output = "\n".join(self._output)
                raise FunctionError(f"The host of {self._site.name} does not come up. It wrote:\n{output}")

    def _launch(self, supervisor: Supervisor) -> None:
        memory = self._data.folder("function", "timers")
        environment = {
            "HOME": str(self._data.folder("function", "home")),
            "LANG": "C.UTF-8",
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(HOSTING),
            **self._site.settings,
        }
        command = Command(
            name=self._site.name,
            arguments=[sys.executable, "-s", "-P", "-m", "function_host", str(self._root), str(memory)],
            environment=environment,
            directory=self._root,
            log=self._data.folder("logs") / f"{self._site.name}.log",
        )

        def restart(code: int) -> None:
            was_ready = self._ready.is_set()
            self._ended.set()
            if not was_ready:
                return
            self._failures += 1
            self._watcher.warn(
                self._site.name, f"The function's host ended with exit code {code} and is started again."
            )
            if not supervisor.closing.wait(min(MAX_RESTART_DELAY, 0.1 * 2**self._failures)):
                try:
                    self._launch(supervisor)
                except ShuttingDownError as error:
                    self._watcher.log(self._site.name, str(error))
                except OSError as error:
                    # Without its folders, or where it cannot be recorded; the next try may find room.
                    self._watcher.warn(self._site.name, f"The function's host could not be started: {error}")
                    restart(code)

        supervisor.start(command, on_line=self._line, on_exit=restart)

    def _line(self, line: str) -> None:
        record = _parse(line)
        if "ready" in record:
            self._ready.set()
        elif "function" in record:
            self._failures = 0
            self._on_call(record["function"], record["id"], record["outcome"])
        else:
            self._output.append(line)
            del self._output[:-50]
            if (name := queued_name(line)) is not None:
                self._on_job(name)
            pass_on(self._watcher, self._site.name, line)


def queued_name(line: str) -> str | None:
    """Return the name of the input that a line of the function's log says it has put a job on the queue for, or None.

    That a call of the function went well does not say so: it may have ignored its event.
    """
    event = event_of(line)
    return str(event["name"]) if event is not None and event["event"] in _QUEUED else None


def _parse(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        # A log line, or what the function itself prints.
        return {}
    return record if isinstance(record, dict) else {}
