"""curl as a peer: one connection that moves a file as fast as the storage and this machine let it."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from tests.bench.http_calls import API_VERSION, Account
from tests.bench.measurement import PeerMissing
from tests.bench.storage import CONTAINER

SECONDS: Final = 900


class Curl:
    """The curl of this machine, with a signature that lets it read and write one container.

    Raises:
        PeerMissing: there is no curl.
    """

    def __init__(self, account: Account) -> None:
        program = shutil.which("curl")
        if program is None:
            raise PeerMissing(
                "There is no curl, which large files are compared with. Install it, as with 'apt-get install curl'."
            )
        self._program = program
        self._signature = generate_container_sas(
            account.name,
            CONTAINER,
            account_key=account.key,
            expiry=datetime.now(UTC) + timedelta(hours=12),
            permission=ContainerSasPermissions(create=True, read=True, write=True),
        )
        self._url = f"{account.blob}/{CONTAINER}"

    def download(self, blob: str, path: Path) -> float:
        """Download a blob and return the seconds that it took."""
        return self._run("--output", str(path), blob=blob)

    def upload(self, blob: str, path: Path) -> float:
        """Upload a file with a single Put Blob and return the seconds that it took."""
        headers = ["--header", "x-ms-blob-type: BlockBlob", "--header", f"x-ms-version: {API_VERSION}"]
        # Nothing is gained from the question whether the body may come.
        return self._run("--upload-file", str(path), "--header", "Expect:", *headers, blob=blob)

    def _run(self, *arguments: str, blob: str) -> float:
        options = ["--fail-with-body", "--max-time", str(SECONDS), "--show-error", "--silent"]
        start = time.monotonic()
        done = subprocess.run(
            [self._program, *options, *arguments, f"{self._url}/{blob}?{self._signature}"],
            capture_output=True,
            check=False,
            text=True,
        )
        seconds = time.monotonic() - start
        if done.returncode:
            output = f"{done.stderr.strip()} {done.stdout[-300:]}"
            raise PeerMissing(f"curl ended with exit code {done.returncode}: {output}")
        return seconds
