"""One transfer by the worker's storage client: ``python -m tests.bench.transfer DIRECTION PATH CONTAINER BLOB``.

It is a process of its own, with the connection in its environment as the worker has it, and prints seconds and peak of
memory as JSON. Only what ``pipeline_app.worker.storage`` promises is used of the client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pipeline_app.contract import StorageConnection
from pipeline_app.worker.azure_storage import connect
from tests.bench.http_calls import Account
from tests.bench.processes import PROJECT, peak_bytes

SECONDS: Final = 900.0
WRITER: Final = "0" * 32


class Transfer(NamedTuple):
    """What a transfer took: seconds, and the peak of the process's memory in bytes."""

    seconds: float
    peak_bytes: int


def transfer(
    account: Account, direction: Literal["download", "upload"], path: Path, container: str, blob: str
) -> Transfer:
    """Move a file between this machine and a blob in a process of its own."""
    environment = os.environ | {"APP_STORAGE_CONNECTION": account.connection_string}
    command = [sys.executable, "-m", "tests.bench.transfer", direction, str(path), container, blob]
    done = subprocess.run(
        command, capture_output=True, check=False, cwd=PROJECT, env=environment, text=True, timeout=SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"The {direction} of {blob} failed:\n{done.stderr}")
    return Transfer(*json.loads(done.stdout))


def _main(direction: str, path: Path, container: str, blob: str) -> Transfer:
    store, _ = connect(StorageConnection.from_environment(os.environ), container)
    start = time.monotonic()
    if direction == "download":
        store.download(blob, path)
    else:
        store.put_file(blob, path, expected=None, metadata={}, writer=WRITER)
    return Transfer(time.monotonic() - start, peak_bytes(os.getpid()))


if __name__ == "__main__":
    print(json.dumps(_main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
