"""Supervision of child processes: each is recorded, watched, and ended with everything that it started.

Every child has its own session and carries a random marker in its environment. The marker, the process id and the
creation time are recorded in the data folder before anything else, so that the next run can end what a killed run left.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

import psutil

from infra.local.processes import family
from infra.local.processes.child import Child, Command, launch
from infra.local.processes.family import GRACE_SECONDS
from infra.local.processes.log import ProcessLog, log_trouble
from infra.local.processes.records import Record, end_recorded, write_records

TAIL_LINES: Final = 30


class CommandError(RuntimeError):
    """A command that was run to its end failed."""


class ShuttingDownError(RuntimeError):
    """A process was asked for while the run is being taken down."""


class Supervisor:
    """Starts processes and sees that none is left: not at the end of the run, and not after a killed run."""

    def __init__(self, records: Path, beacon: Path, on_trouble: Callable[[OSError], None] | None = None) -> None:
        """Take the file in which the children are recorded, and one to be removed if this process is killed.

        ``on_trouble`` is told of each record or log that cannot be written. The processes are watched all the same,
        since whoever waits for one of them must not wait for the disk.
        """
        self._beacon = beacon
        self.closing = threading.Event()
        self._children: list[Child] = []
        self._closed = False
        self._killed: set[psutil.Process] = set()
        self._lock = threading.RLock()
        self._on_trouble = on_trouble or log_trouble
        self._path = records
        self._pending: list[Record] = []
        # The kernel ties "tell me when my parent dies" to the thread that started the process, so one thread that
        # lives as long as the run starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    def end_orphans(self) -> list[str]:
        """End what a killed run left and forget it; return the names of what was found."""
        return end_recorded(self._path)

    def start(
        self,
        command: Command,
        *,
        on_line: Callable[[str], None] | None = None,
        on_exit: Callable[[int], None] | None = None,
    ) -> Child:
        """Start a process.

        ``on_line`` gets each line of its output. ``on_exit`` gets the exit code (128 and more: a signal; 127: there is
        no such command) once the process has ended without having been asked to.

        Raises:
            OSError: it cannot be recorded, and so it does not run.
            ShuttingDownError: the run is being taken down.
        """
        record = Record(command.name, secrets.token_hex(16))
        with self._lock:
            if self.closing.is_set():
                raise ShuttingDownError(f"{command.name} was not started since the run is being taken down.")
            self._pending.append(record)
        try:
            with self._lock:
                self._save()
                start = self._starter.submit(self._spawn, command, record)
            child = start.result()
        finally:
            self._forget(self._pending, record)
        threads = [
            threading.Thread(target=self._read, args=(child, command, on_line), name=f"{command.name} output"),
            threading.Thread(target=self._wait, args=(child, on_exit), name=f"{command.name} end"),
        ]
        for thread in threads:
            thread.daemon = True
            thread.start()
        return child

    def run(self, command: Command, *, on_line: Callable[[str], None] | None = None) -> None:
        """Run a command to its end.

        Raises:
            CommandError: it failed; the text has the last lines that it wrote.
            ShuttingDownError: the run is being taken down.
        """
        tail: deque[str] = deque(maxlen=TAIL_LINES)

        def keep(line: str) -> None:
            tail.append(line)
            if on_line:
                on_line(line)

        child = self.start(command, on_line=keep)
        child.ended.wait()
        child.output_read.wait(GRACE_SECONDS)
        if self.closing.is_set():
            raise ShuttingDownError(f"{command.name} was ended since the run is being taken down.")
        if code := child.process.returncode:
            lines = "\n".join(tail)
            raise CommandError(f"{command.name} ended with exit code {code}. Its last lines:\n{lines}")

    def stop(self, child: Child, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ask a process to end, then make it, together with all that it started; return when it is gone."""
        child.stopping = True
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(child.pid)
            found = family.descendants(process)
            child.process.terminate()
            child.ended.wait(grace_seconds)
            found |= family.descendants(process)
            family.kill(found)
        child.process.kill()
        child.ended.wait()

    def close(self) -> None:
        """Refuse new processes and stop all that run, the newest first; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.closing.set()
        # The starts that were under way have ended once the thread gets to this, so that none is missed below.
        self._starter.submit(lambda: None).result()
        while True:
            with self._lock:
                child = self._children[-1] if self._children else None
            if child is None:
                break
            self.stop(child)
        # A killed process takes a moment to end, and what is below a child is nobody's to wait for but this.
        family.wait(self._killed)
        # Not before: the kernel would tell all children at once that their parent is gone.
        self._starter.shutdown(wait=True)
        with self._lock:
            self._path.unlink(missing_ok=True)

    def kill(self) -> None:
        """Refuse new processes and kill all that run at once, as a power cut does; ``close`` is still to be called."""
        with self._lock:
            self.closing.set()
            children = list(self._children)
        found: set[psutil.Process] = set()
        for child in children:
            child.stopping = True
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(child.pid)
                found |= {process} | family.descendants(process)
        family.kill(found)
        self._killed |= found

    def running(self) -> list[Child]:
        """Return the children that run now, the oldest first."""
        with self._lock:
            return list(self._children)

    def _spawn(self, command: Command, record: Record) -> Child:
        process = launch(command, record.marker, self._beacon)
        record.pid = process.pid
        record.create_time = psutil.Process(process.pid).create_time()
        child = Child(record, process)
        with self._lock:
            self._children.append(child)
            try:
                self._save()
            except OSError:
                # Nobody could end it after this run, so it does not run at all.
                self._children.remove(child)
                family.kill(family.marked(record.marker) | {psutil.Process(process.pid)})
                process.wait()
                if process.stdout:
                    process.stdout.close()
                raise
        return child

    def _read(self, child: Child, command: Command, on_line: Callable[[str], None] | None) -> None:
        output: IO[str] | None = child.process.stdout
        if output is None:
            return
        log = ProcessLog(command.log, self._on_trouble) if command.log else None
        try:
            with output:
                try:
                    for line in output:
                        self._pass_on(line.rstrip("\r\n"), log, on_line)
                finally:
                    # Nobody reads any more what it writes, and it would wait for that.
                    for _ in output:
                        pass
        finally:
            if log:
                log.close()
            child.output_read.set()

    def _pass_on(self, text: str, log: ProcessLog | None, on_line: Callable[[str], None] | None) -> None:
        if log:
            log.emit(logging.makeLogRecord({"msg": text}))
        if on_line:
            try:
                on_line(text)
            except OSError as error:
                self._on_trouble(error)

    def _wait(self, child: Child, on_exit: Callable[[int], None] | None) -> None:
        code = child.exit_code
        try:
            family.kill({process for process in family.marked(child.record.marker) if process.pid != child.pid})
            self._forget(self._children, child)
        finally:
            child.ended.set()
        if on_exit and not child.stopping and not self.closing.is_set():
            try:
                on_exit(code)
            except OSError as error:
                self._on_trouble(error)

    def _forget(self, known: list[Any], one: Child | Record) -> None:
        """Take a process out of the records; what the file still says of it does no harm."""
        try:
            with self._lock:
                known.remove(one)
                self._save()
        except OSError as error:
            self._on_trouble(error)

    def _save(self) -> None:
        records = [child.record for child in self._children] + self._pending
        write_records(self._path, records)
