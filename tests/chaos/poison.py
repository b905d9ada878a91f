"""Files that make the application misbehave at full size, among good ones, on real worker processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, StorageNames, now, plain_etag

MIB: Final = 1024 * 1024
NAMES: Final = StorageNames(container="poison", input_path="incoming", output_path="outgoing")
PROJECT: Final = Path(__file__).parents[2]

# A worker with its libraries, two applications' logs, and blocks on their way into storage.
MAX_WORKER_BYTES: Final = 300 * MIB
# A worker looks five times a second and gives the application half a second to end, in which it may write on.
OVERSHOOT_SECONDS: Final = 1.5

GOOD: Final = "open(f'{output}/result', 'w').write('fine')"

# The application runs its input as Python; ``output`` is its output folder.
APPLICATION: Final = f"""#!{sys.executable}
import os, resource, signal, subprocess, sys, time
output = sys.argv[2]
exec(open(sys.argv[1]).read())
"""


@dataclass(frozen=True, kw_only=True)
class Dose:
    """How much poison there is: attempts at each, bytes of disk, bytes of output, and numbers of files and children."""

    attempts: int = 2
    children: int = 50
    disk_bytes: int = 512 * MIB
    files: int = 100_000
    output_bytes: int = 1024 * MIB
    timeout_seconds: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Poison:
    """An input that misbehaves, and what its receipt has to say: the error as a pattern, or None for success."""

    kind: str
    source: str
    error: str | None
    timeout_seconds: float


@dataclass(kw_only=True)
class PoisonResult:
    """What came of one kind: its receipt, what it cost at most, and what is wrong, or None.

    ``scratch_bytes`` is what its files took of the disk, and ``worker_bytes`` the memory of the worker alone.
    """

    kind: str
    error: str | None = None
    left_over: list[str] = field(default_factory=list)
    problem: str | None = None
    scratch_bytes: int = 0
    seconds: float = 0.0
    status: str | None = None
    worker_bytes: int = 0


def poisons(dose: Dose) -> list[Poison]:
    """Return one input of each kind, in the order of their names."""
    child = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.fork() and os._exit(0); time.sleep(3600)"
    sources = {
        "children that outlive it": (
            f"[subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True) "
            f"for _ in range({dose.children})]; time.sleep(2)",
            None,
        ),
        "crash loop": ("sys.exit(3)", r"The application exited with code 3\."),
        "disk": (
            "f = open(f'{output}/x', 'wb')\nwhile True: f.write(bytes(2**20))",
            r"The application's files take at least [\d,.]+ MiB; an attempt may take .*scratchGib.*",
        ),
        "disk by a fast one": (
            f"f = open('tmp/x', 'wb'); f.truncate(0); [f.write(bytes(2**20)) for _ in range({dose.disk_bytes // MIB})]",
            r"The application's files take at least [\d,.]+ MiB; an attempt may take .*scratchGib.*",
        ),
        "files": (
            f"[open(f'{{output}}/{{n}}', 'w').close() for n in range({dose.files})]; time.sleep(60)",
            r"The application wrote at least \d+ result files; at most 10000 are taken.*maxOutputFiles.*",
        ),
        "hang": (
            "signal.signal(15, signal.SIG_IGN); time.sleep(3600)",
            r"The application ran longer than 2 seconds\.",
        ),
        "killed": ("os.kill(os.getpid(), 9)", r"The application was ended by SIGKILL; it may have run out of memory\."),
        "memory": (
            "resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); x = [bytearray(2**24) for _ in range(10**6)]",
            r"The application exited with code 1\.",
        ),
        "output": (f"[os.write(1, b'x' * 2**16) for _ in range({dose.output_bytes // 2**16})]", None),
        "sparse file": (
            "open(f'{output}/x', 'wb').truncate(2**40)",
            r"The application's files take at least 1,048,576\.\d MiB; .*",
        ),
    }
    return [
        Poison(error=error, kind=kind, source=source, timeout_seconds=2.0 if kind == "hang" else dose.timeout_seconds)
        for kind, (source, error) in sorted(sources.items())
    ]


def run(
    connection_string: str, folder: Path, say: Callable[[str], None], dose: Dose | None = None
) -> list[PoisonResult]:
    """Let a worker process each kind of poison between good files, and return what came of each.

    Args:
        connection_string: a storage account without a container ``poison`` and without the queues of jobs.
        folder: an empty folder on a disk that has room for twice the dose.
        say: told of each kind.
        dose: how much poison there is; by default as much as a bad day brings.
    """
    dose = dose or Dose()
    application = folder / "bin" / "app"
    application.parent.mkdir()
    application.write_text(APPLICATION)
    application.chmod(0o755)
    results = []
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        files = blobs.create_container(NAMES.container)
        jobs = queues.create_queue(JOBS_QUEUE)
        queues.create_queue(JOBS_POISON_QUEUE)
        try:
            for number, poison in enumerate(poisons(dose)):
                result = _administer(poison, f"{number}", dose, files, jobs, folder, connection_string)
                results.append(result)
                say(f"{result.kind}: {result.status}, {result.problem or 'as it should be'}")
        finally:
            files.delete_container()
            queues.delete_queue(JOBS_QUEUE)
            queues.delete_queue(JOBS_POISON_QUEUE)
    return results


def _administer(
    poison: Poison,
    prefix: str,
    dose: Dose,
    files: ContainerClient,
    jobs: QueueClient,
    folder: Path,
    connection_string: str,
) -> PoisonResult:
    names = [f"incoming/{prefix}/{name}" for name in ("good-1", "poison", "good-2", "good-3")]
    for name in names:
        content = (poison.source if name.endswith("poison") else GOOD).encode()
        etag = plain_etag(str(files.upload_blob(name, content).get_blob_properties().etag))
        job = FileJob(etag=etag, event_id="poison", name=name, queued_at=now(), size=len(content))
        jobs.send_message(job.encode(), time_to_live=-1)
    config = folder / f"{prefix}.json"
    config.write_text(json.dumps({"timeout_seconds": poison.timeout_seconds}))
    marker = f"poison-{os.getpid()}-{prefix}"
    scratch = folder / f"scratch-{prefix}"
    environment = {
        "APP_ALIAS": "app",
        "APP_CLAIM_SECONDS": "5",
        "APP_HEALTH_ADDRESS": "127.0.0.1",
        "APP_HEALTH_PORT": "0",
        "APP_IDLE_SECONDS": "1",
        "APP_MAX_ATTEMPTS": str(dose.attempts),
        "APP_RUNTIME_CONFIG_FILE": str(config),
        "APP_SCRATCH_BYTES": str(dose.disk_bytes),
        "APP_SCRATCH_DIRECTORY": str(scratch),
        "APP_SLOTS": "2",
        "APP_STORAGE_CONNECTION": connection_string,
        "APP_STORAGE_CONTAINER": NAMES.container,
        "APP_STORAGE_INPUT_PATH": NAMES.input_path,
        "APP_STORAGE_OUTPUT_PATH": NAMES.output_path,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "POISON_MARKER": marker,
        "PYTHONPATH": str(PROJECT),
    }
    result = PoisonResult(kind=poison.kind)
    started = time.monotonic()
    with (folder / f"worker-{prefix}.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "pipeline_app.worker"], env=environment, stderr=log, stdout=log
        )
        speed = _watch(worker, scratch, result)
    result.seconds = time.monotonic() - started
    problems = [] if worker.returncode == 0 else [f"the worker exited with code {worker.returncode}"]
    problems += _judge(poison, names, files, result)
    if left := jobs.get_queue_properties().approximate_message_count:
        problems.append(f"{left} messages are left")
    result.left_over = [*_processes(marker), *map(str, scratch.glob("*"))]
    if result.left_over:
        problems.append(f"left over: {', '.join(result.left_over)}")
    if result.scratch_bytes > (limit := dose.disk_bytes + int(speed * OVERSHOOT_SECONDS) + 32 * MIB):
        problems.append(f"its files took {result.scratch_bytes // MIB} MiB; {limit // MIB} were to be expected at most")
    if result.worker_bytes > MAX_WORKER_BYTES:
        problems.append(f"the worker took {result.worker_bytes // MIB} MiB of memory")
    result.problem = "; ".join(problems) or None
    return result


def _watch(worker: subprocess.Popen[bytes], scratch: Path, result: PoisonResult) -> float:
    """Wait for the worker's end, note its peaks, and return the fastest growth of its files in bytes per second."""
    speed = 0.0
    ended = threading.Event()

    def look_at_disk() -> None:
        nonlocal speed
        before, size = time.monotonic(), 0
        while not ended.wait(0.1):
            moment, last, size = time.monotonic(), size, _disk_bytes(scratch)
            speed = max(speed, (size - last) / (moment - before))
            result.scratch_bytes = max(result.scratch_bytes, size)
            before = moment

    looker = threading.Thread(target=look_at_disk)
    looker.start()
    try:
        process = psutil.Process(worker.pid)
        while worker.poll() is None:
            try:
                result.worker_bytes = max(result.worker_bytes, process.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        worker.wait()
    finally:
        ended.set()
        looker.join()
        worker.kill()
    return speed


def _disk_bytes(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                # It was removed while this looked.
                continue
    return size


def _judge(poison: Poison, names: list[str], files: ContainerClient, result: PoisonResult) -> list[str]:
    problems = []
    for name in names:
        try:
            text = files.download_blob(NAMES.receipt_name(name)).readall().decode()
        except ResourceNotFoundError:
            problems.append(f"{name} has no receipt")
            continue
        receipt = Receipt.decode(text)
        if not name.endswith("poison"):
            contents = [files.download_blob(output.name).readall() for output in receipt.outputs]
            if receipt.status != "succeeded" or contents != [b"fine"]:
                problems.append(f"the good file {name} came to harm: {receipt.status}, {receipt.error}")
            continue
        result.error, result.status = receipt.error, receipt.status
        if poison.error is None:
            if receipt.status != "succeeded":
                problems.append(f"it failed: {receipt.error}")
        elif receipt.status != "failed" or not re.fullmatch(poison.error, receipt.error or "", re.DOTALL):
            problems.append(f"its receipt says {receipt.status}: {receipt.error}")
    return problems


def _processes(marker: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("POISON_MARKER") == marker:
                found.append(f"process {process.pid}: {process.cmdline()}")
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found
