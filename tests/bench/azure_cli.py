"""The Azure CLI as a peer: one command for each download and each upload, as a script around it would do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock

from infra.packages.function_package import BUILD_DIRECTORY
from tests.bench.measurement import PeerMissing
from tests.bench.processes import PROJECT
from tests.bench.storage import CONTAINER, Storage, input_names

FOLDER: Final = PROJECT / BUILD_DIRECTORY / "azure-cli"
INSTALL_SECONDS: Final = 1800.0
VERSION: Final = "2.91.0"


@dataclass(frozen=True)
class AzureCli:
    """An installed Azure CLI."""

    program: Path

    def seconds_per_file(self, storage: Storage, count: int, size: int) -> float:
        """Download, copy and upload so many files of so many bytes, one after the other; return seconds for each."""
        storage.begin()
        names = input_names(count)
        storage.put_inputs(names, os.urandom(size))
        folder = self.program.parents[1] / "bench"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        start = time.monotonic()
        for name in names:
            source, result = folder / "in", folder / "out"
            self._run(storage, "download", "--name", name, "--file", str(source))
            subprocess.run(["cp", str(source), str(result)], check=True)
            self._run(storage, "upload", "--name", f"outgoing/{name}", "--file", str(result), "--overwrite")
        seconds = time.monotonic() - start
        shutil.rmtree(folder)
        return seconds / count

    def _run(self, storage: Storage, verb: str, *arguments: str) -> None:
        environment = os.environ | {
            "AZURE_CONFIG_DIR": str(self.program.parents[1] / "config"),
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_NO_COLOR": "true",
            "AZURE_STORAGE_CONNECTION_STRING": storage.account.connection_string,
        }
        command = [str(self.program), "storage", "blob", verb, "--container-name", CONTAINER, *arguments]
        done = subprocess.run(
            [*command, "--no-progress", "--output", "none"],
            capture_output=True,
            check=False,
            env=environment,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise PeerMissing(f"'az storage blob {verb}' failed: {done.stderr.strip()[-500:]}")


def installed(say: Callable[[str], None]) -> AzureCli:
    """Return the Azure CLI, installed into an environment of its own at the first call.

    Raises:
        PeerMissing: it could not be installed; the text says why and what to do.
    """
    program = FOLDER / "bin" / "az"
    done = FOLDER / f"installed-{VERSION}"
    FOLDER.mkdir(exist_ok=True, parents=True)
    with filelock.FileLock(FOLDER.with_name("azure-cli.lock")):
        if not done.exists():
            say("Installing the Azure CLI, once for this repository; it takes some minutes.")
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(FOLDER)],
                [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", f"azure-cli=={VERSION}"],
            ):
                answer = subprocess.run(command, capture_output=True, check=False, text=True, timeout=INSTALL_SECONDS)
                if answer.returncode:
                    raise PeerMissing(
                        f"The Azure CLI {VERSION} could not be installed in {FOLDER}: {answer.stderr.strip()[-500:]} "
                        "See that the package index can be reached, or leave it out with --no-az."
                    )
            done.touch()
    return AzureCli(program)
