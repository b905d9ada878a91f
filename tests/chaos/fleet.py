"""Workers behind proxies of their own, each of which is started again when it has ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final, Protocol

import psutil

from tests.chaos.application import ALIAS, Application
from tests.chaos.checking import NAMES, Attempts, Findings
from tests.chaos.proxy import Exchange, Harm, Proxy, Request
from tests.chaos.steps import IN_APPLICATION, Course

CLAIM_SECONDS: Final = 2
CREATED: Final = 201
KILLER_SECONDS: Final = 0.01
PROJECT: Final = Path(__file__).parents[2]


class Decisions(Protocol):
    """What goes wrong; every method is called from many threads."""

    def decide(self, request: Request) -> Harm:
        """Say what harm comes to a request."""

    def moment(self, most: float) -> float:
        """Return a number of seconds."""

    def refusal(self) -> int:
        """Return the status of a refused request."""


class Fleet:
    """So many workers under fire.

    ``steps`` counts the kills by named step, ``findings`` has receipts that were written by more than one attempt.
    """

    def __init__(
        self, count: int, folder: Path, connection_string: str, decisions: Decisions, application: Application
    ) -> None:
        self.findings = Findings()
        self.steps: Counter[str] = Counter()
        self._application = application
        self._attempts = Attempts(self.findings)
        self._closing = threading.Event()
        self._connection_string = connection_string
        self._decisions = decisions
        self._folder = folder
        self._lock = threading.Lock()
        self._marker = f"chaos-{os.getpid()}-{id(self)}"
        self._members = [
            threading.Thread(target=self._member, args=(folder / f"worker-{number}",)) for number in range(count)
        ]
        for member in self._members:
            member.start()

    def close(self) -> None:
        """Let every worker end by itself and start no more."""
        self._closing.set()
        for member in self._members:
            member.join()
        self.steps[IN_APPLICATION] = len(list(self._folder.glob("worker-*/orders/killed-*")))

    def leaks(self) -> list[str]:
        """Return the processes and folders that are left of a closed fleet."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("CHAOS_MARKER") == self._marker:
                    found.append(f"process {process.pid}: {process.cmdline()}")
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        # The folders of killed workers are removed by the next worker, and the last one ends by itself.
        return found + [str(left) for left in self._folder.glob("worker-*/scratch/*")]

    def _member(self, folder: Path) -> None:
        orders = folder / "orders"
        orders.mkdir(parents=True)
        course = Course()
        order = orders / "kill"
        done = threading.Event()
        processes: list[subprocess.Popen[bytes]] = []

        def kill() -> None:
            processes[-1].send_signal(signal.SIGKILL)

        def kill_as_told() -> None:
            told: set[Path] = set()
            while not done.wait(KILLER_SECONDS):
                if fresh := set(orders.glob("killed-*")) - told:
                    told |= fresh
                    kill()

        def kill_later() -> None:
            threading.Timer(self._decisions.moment(0.05), kill).start()

        def note(exchange: Exchange) -> None:
            with self._lock:
                if step := course.step(exchange):
                    self.steps[step] += 1
                if exchange.request.step == "write the receipt" and exchange.status == CREATED:
                    etag, attempt = (exchange.headers[f"x-ms-meta-{name}"] for name in ("input_etag", "attempt"))
                    self._attempts.note(exchange.request.subject, etag, attempt)

        def proxy(service: str) -> Proxy:
            match = re.search(rf"{service}Endpoint=http://([\d.]+:\d+)/", self._connection_string)
            if match is None:
                raise ValueError(f"The connection string names no {service} endpoint.")
            return Proxy(
                match[1],
                self._decisions.decide,
                hold=lambda: time.sleep(CLAIM_SECONDS * 1.5),
                kill=kill,
                kill_in_app=order.touch,
                kill_later=kill_later,
                note=note,
                refuse=self._decisions.refusal,
            )

        blob, queue = proxy("Blob"), proxy("Queue")
        environment = self._environment(folder, blob.port, queue.port)
        command = [sys.executable, "-m", "pipeline_app.worker"]
        killer = threading.Thread(target=kill_as_told)
        killer.start()
        with (folder / "worker.log").open("ab") as log:
            while not self._closing.is_set():
                processes.append(subprocess.Popen(command, env=environment, stderr=log, stdout=log))
                processes[-1].wait()
            done.set()
            killer.join()
            order.unlink(missing_ok=True)
            # One that nobody kills any more tidies up after those that were.
            subprocess.run(command, check=True, env=environment, stderr=log, stdout=log)
        blob.close()
        queue.close()

    def _environment(self, folder: Path, blob_port: int, queue_port: int) -> dict[str, str]:
        through = re.sub(r"(BlobEndpoint=http://[\d.]+:)\d+", rf"\g<1>{blob_port}", self._connection_string)
        through = re.sub(r"(QueueEndpoint=http://[\d.]+:)\d+", rf"\g<1>{queue_port}", through)
        return {
            "APP_ALIAS": ALIAS,
            "APP_CLAIM_SECONDS": str(CLAIM_SECONDS),
            "APP_EXPORT_CONFIG_FILE": str(self._application.export_config),
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_IDLE_SECONDS": "1",
            "APP_MAX_ATTEMPTS": "100",
            "APP_RUNTIME_CONFIG_FILE": str(self._application.runtime_config),
            "APP_SCRATCH_DIRECTORY": str(folder / "scratch"),
            "APP_STORAGE_CONNECTION": through,
            "APP_STORAGE_CONTAINER": NAMES.container,
            "APP_STORAGE_INPUT_PATH": NAMES.input_path,
            "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
            "APP_WRITABLE_PATHS": f"{self._application.ledger}{os.pathsep}{folder / 'orders'}",
            "CHAOS_ORDERS": str(folder / "orders"),
            "CHAOS_MARKER": self._marker,
            "PATH": f"{self._application.script_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
