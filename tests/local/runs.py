"""Runs of ``python -m infra.local`` as a person starts them, and an application that does as its input says."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from infra.local.cloud.machine import OUTPUTS
from infra.local.commands.run import PROJECT
from infra.local.processes.waiting import wait_until
from infra.local.services.azurite import REFUSALS
from pipeline_app.contract import RECEIPT_ETAG_METADATA, Receipt, StorageNames, plain_etag

READY_SECONDS: Final = 90
RECEIPT_SECONDS: Final = 60
STOP_SECONDS: Final = 40

OBEDIENT_APP: Final = '''#!/usr/bin/env python3
"""Does what the first word of its input says, or else tells the input's size and hash."""
import hashlib, os, pathlib, shutil, subprocess, sys, time

source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
with source.open("rb") as file:
    word = file.read(20).decode("utf-8", "replace").split()[:1]
print("told to", word, *sys.argv[3:])
if word == ["fail"]:
    print("the reason why", file=sys.stderr)
    sys.exit(7)
if word == ["hang"]:
    subprocess.run(["sleep", "600"])
if word == ["mendable"] and not (pathlib.Path(sys.argv[3]) / "mended").exists():
    sys.exit(7)
if word == ["prefix"]:
    (pathlib.Path(sys.argv[0]).parent / "state").write_text("x")
if word == ["copy"]:
    shutil.copy(sys.argv[0], output / "copy.txt")
    with (output / "copy.txt").open("a") as file:
        file.write("more")
if word == ["escape"]:
    print("\\x1b[31mred\\r\\x1b]0;title\\a")
if word == ["silent"]:
    sys.exit(0)
if word == ["slow"]:
    time.sleep(4)
if word == ["tree"]:
    for name in ("a/b/c.txt", "a/d.txt", "\\u00fc #+%2F.txt"):
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
else:
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (output / "result.txt").write_text(f"{source.stat().st_size} {digest}")
'''


class Run:
    """A running ``up`` over a data folder."""

    def __init__(self, data: Path, *config: str) -> None:
        """Start it; ``config`` are pairs such as ``idleSeconds=1``."""
        self.data = data
        self.log = data.with_name(f"{data.name}.log")
        arguments = [item for pair in config for item in ("-c", pair)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.local", "up", "--data", str(data), *arguments],
                cwd=PROJECT,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
            )

    def ready(self) -> dict[str, Any]:
        """Wait until it serves; return what ``outputs.json`` says."""
        path = self.data / OUTPUTS
        wait_until(lambda: path.exists() or self.process.poll() is not None, READY_SECONDS)
        assert path.exists(), self.text()
        outputs: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return outputs

    def children(self) -> dict[str, psutil.Process]:
        """Return the supervised processes by name."""
        records = json.loads((self.data / "processes.json").read_text(encoding="utf-8"))
        found = {}
        for record in records:
            with contextlib.suppress(psutil.NoSuchProcess):
                found[record["name"]] = psutil.Process(record["pid"])
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait until it has ended; return the exit code.

        Raises:
            AssertionError: some part of it sent a request that Azure would refuse or take otherwise.
        """
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS)
        refused = [path.read_text(encoding="utf-8") for path in self.data.glob(f"storage/*/{REFUSALS}")]
        assert refused == [], "".join(refused)
        return code

    def text(self) -> str:
        """Return what it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")


class Client:
    """A client of a running pipeline, with nothing but the storage SDK and ``outputs.json``."""

    def __init__(self, outputs: dict[str, Any], container: ContainerClient) -> None:
        self.container = container
        self.names = StorageNames(
            container=outputs["appStorageContainer"],
            input_path=outputs["inputPath"],
            output_path=outputs["outputPath"],
        )
        self.share = Path(outputs["shareDirectory"])

    def upload(self, name: str, content: bytes) -> str:
        """Upload an input below the input path; return its ETag without quotes."""
        blob = self.container.get_blob_client(f"{self.names.input_path}/{name}")
        return plain_etag(blob.upload_blob(content, overwrite=True)["etag"])

    def find_receipt(self, name: str, etag: str) -> Receipt | None:
        """Return the receipt of exactly this version of an input, if it is there."""
        try:
            blob = self.container.download_blob(self.names.receipt_name(f"{self.names.input_path}/{name}"))
        except ResourceNotFoundError:
            return None
        if (blob.properties.metadata or {}).get(RECEIPT_ETAG_METADATA) != etag:
            return None
        return Receipt.decode(blob.readall().decode())

    def receipt(self, name: str, etag: str, seconds: float = RECEIPT_SECONDS) -> Receipt:
        """Wait for the receipt of exactly this version of an input."""
        end = time.monotonic() + seconds
        while (receipt := self.find_receipt(name, etag)) is None:
            assert time.monotonic() < end, f"{name!r} has no receipt after {seconds} s."
            time.sleep(0.05)
        return receipt

    def read(self, name: str) -> bytes:
        """Return the content of a blob."""
        content: bytes = self.container.download_blob(name).readall()
        return content


@contextlib.contextmanager
def running(data: Path, *config: str) -> Iterator[Run]:
    """Have a run that is ready, and that has to end well and leave no process behind."""
    run = Run(data, *config)
    try:
        run.ready()
        yield run
    finally:
        code = run.end()
    assert code == 0, run.text()
    assert leftovers(run.data) == []


@contextlib.contextmanager
def client_of(run: Run) -> Iterator[Client]:
    """Connect to a run once it serves."""
    outputs = run.ready()
    with BlobServiceClient.from_connection_string(
        outputs["appStorageConnectionString"], max_block_size=16 * 2**20, max_single_put_size=16 * 2**20
    ) as service:
        yield Client(outputs, service.get_container_client(outputs["appStorageContainer"]))


def obedient(folder: Path, timeout_seconds: int = 3) -> list[str]:
    """Write the application and its config to a folder; return the stack's config that uses them."""
    artifact, config = folder / "obedient", folder / "runtime.json"
    artifact.mkdir()
    (artifact / "obedient").write_text(OBEDIENT_APP, encoding="utf-8")
    (artifact / "obedient").chmod(0o755)
    config.write_text(json.dumps({"args": ["{input}", "{output}", "{share}"], "timeout_seconds": timeout_seconds}))
    return [
        "appAlias=obedient",
        "appFile=obedient",
        "appInstallerFile=",
        f"artifactPath={artifact}",
        "claimSeconds=10",
        "exportConfigFile=",
        "idleSeconds=1",
        "maxAttempts=2",
        f"runtimeConfigFile={config}",
        "sweepSchedule=*/2 * * * * *",
    ]


def leftovers(data: Path) -> list[str]:
    """Return the command lines of all processes that have to do with a data folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            texts = [*process.cmdline(), process.cwd(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(data) in text for text in texts):
                found.append(" ".join(process.cmdline()))
    return found


def may_mount() -> bool:
    """Tell whether this machine lets this user mount for a process alone, asked by a command of the system's."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--mount", "mount", "--bind", "/tmp", "/tmp"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
