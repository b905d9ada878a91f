"""Worker processes as a container starts them, and what they cost."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.packages.image_sources import WORKER_SOURCES, source_files
from tests.bench.applications import Application
from tests.bench.http_calls import Account
from tests.bench.processes import PROJECT, cpu_seconds, peak_bytes
from tests.bench.storage import NAMES

SAMPLE_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a worker process itself took, without its applications: processor seconds, and its peak of memory."""

    cpu_seconds: float
    peak_bytes: int


class Worker:
    """A running ``python -m pipeline_app.worker``."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline_app.worker"], env=environment, stderr=file, stdout=file
            )
        self._peak = 0
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()

    def wait(self, seconds: float) -> Usage:
        """Wait until it has drained the queue and ended.

        Raises:
            RuntimeError: it failed, or did not end in time; the text has the end of its log.
        """
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        # Until it is reaped its account can be read, which has no share of its children's time.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        cpu = cpu_seconds(self._process.pid)
        self._sampler.join()
        if code := self._process.wait():
            tail = "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
            raise RuntimeError(f"The worker ended with exit code {code} within {seconds:.0f} s:\n{tail}")
        return Usage(cpu_seconds=cpu, peak_bytes=self._peak)

    def stop(self) -> None:
        """End it, whatever it does; one that has ended is left alone."""
        if self._process.poll() is None:
            self._process.terminate()
        self._sampler.join()
        self._process.wait()

    def _sample(self) -> None:
        # The kernel keeps the peak itself, so only what comes in the last moment before the end is missed.
        while peak := peak_bytes(self._process.pid):
            self._peak = peak
            time.sleep(SAMPLE_SECONDS)


class Launcher:
    """Starts workers from a copy of the code with bytecode beside it, as the image has it."""

    def __init__(self, folder: Path) -> None:
        """Make the copy below the folder."""
        self.code = folder / "code"
        self._count = 0
        self._folder = folder
        for source in source_files(PROJECT, WORKER_SOURCES):
            target = self.code / source.relative_to(PROJECT)
            target.parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(source, target)
        compileall.compile_dir(self.code, quiet=1)

    def environment(
        self, account: Account, application: Application, *, idle_seconds: float = 0, slots: int = 1
    ) -> dict[str, str]:
        """Return the environment of a worker; ``idle_seconds`` is how long it watches an empty queue."""
        path = os.environ["PATH"]
        return {
            "APP_ALIAS": application.alias,
            "APP_CLAIM_SECONDS": "60",
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_IDLE_SECONDS": str(idle_seconds),
            "APP_RUNTIME_CONFIG_FILE": str(application.config),
            "APP_SCRATCH_DIRECTORY": str(self._folder / "scratch"),
            "APP_SLOTS": str(slots),
            "APP_STORAGE_CONNECTION": account.connection_string,
            "APP_STORAGE_CONTAINER": NAMES.container,
            "APP_STORAGE_INPUT_PATH": NAMES.input_path,
            "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
            "APP_WRITABLE_PATHS": application.writable,
            "PATH": f"{application.folder}:{path}" if application.folder else path,
            "PYTHONPATH": str(self.code),
        }

    def start(self, account: Account, application: Application, *, idle_seconds: float = 0, slots: int = 1) -> Worker:
        """Start a worker."""
        self._count += 1
        environment = self.environment(account, application, idle_seconds=idle_seconds, slots=slots)
        return Worker(environment, self._folder / f"worker-{self._count}.log")
