"""A storage account with hostile names in it, spoken to over plain HTTP, and a real worker that processes them.

The SDK cannot be used for names with dot segments: it signs the URL that it was given and urllib3 then sends a
normalised one, which the service refuses (403) where a key signs and takes for another blob where a token does. So
requests are made with ``http.client``, which sends the path as it is, and authorised by a signature in the query, which
no part of the path goes into.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)
from azure.storage.queue import QueueClient, QueueServiceClient

from infra.local.services.azurite import StorageAccount
from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, StorageNames, now

ALIAS: Final = "app"
PROJECT: Final = Path(__file__).parents[2]
REPORT: Final = "report.json"
# A shell would do what this says.
SHELL: Final = "$(touch pwned); touch pwned"
ARGUMENTS: Final = ("{input}", "--output={output}", SHELL, "{share}")

# The application says how it was called, and leaves what its input says: a JSON object of names and contents. What is
# called as below it prints.
PRINTED: Final = "\0printed"
_SCRIPT: Final = f"""#!{sys.executable}
import json, os, pathlib, sys
output = pathlib.Path(sys.argv[2].partition("=")[2])
files = json.loads(pathlib.Path(sys.argv[1]).read_text())
sys.stdout.buffer.write(files.pop({PRINTED!r}, "").encode())
for name, content in files.items():
    path = output / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
report = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}
(output / "{REPORT}").write_text(json.dumps(report))
"""


@dataclass(frozen=True)
class Answer:
    """An answer of the service."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Service:
    """A container and the queues of an account, and a worker between folders that it has no business in."""

    def __init__(self, account: StorageAccount, container: str, folder: Path) -> None:
        self.folder = folder
        self.names = StorageNames(container=container, input_path="incoming", output_path="outgoing")
        self._connection_string = account.connection_string
        self._signature = generate_account_sas(
            account.name,
            account.key,
            ResourceTypes(container=True, object=True),
            AccountSasPermissions(create=True, delete=True, list=True, read=True, write=True),
            datetime.now(UTC) + timedelta(hours=1),
        )
        self._url = urlsplit(account.endpoint("blob"))
        for name in ("application", "cwd", "home", "share", "tmp"):
            (folder / name).mkdir(parents=True)
            (folder / name / "sentinel").write_text(name)
        self.install(_SCRIPT)
        (folder / "application" / "runtime.json").write_text(json.dumps({"args": ARGUMENTS, "env": {"A": "{input}"}}))
        with BlobServiceClient.from_connection_string(self._connection_string) as blobs:
            blobs.create_container(container)
        with QueueServiceClient.from_connection_string(self._connection_string) as queues:
            present = {queue.name for queue in queues.list_queues()}
            for name in {JOBS_QUEUE, JOBS_POISON_QUEUE} - present:
                queues.create_queue(name)

    def install(self, script: str) -> None:
        """Have another application."""
        path = self.folder / "application" / ALIAS
        path.write_text(script)
        path.chmod(0o755)

    def call(self, method: str, name: str, body: bytes = b"", query: str = "") -> Answer:
        """Make a request for a blob, with its name in the URL as it is but for percent-encoding."""
        connection = http.client.HTTPConnection(str(self._url.hostname), self._url.port, timeout=60)
        headers = {"x-ms-version": "2024-11-04"} | ({"x-ms-blob-type": "BlockBlob"} if method == "PUT" else {})
        path = quote(f"{self.names.container}/{name}" if name else self.names.container, safe="/")
        connection.request(method, f"{self._url.path}{path}?{query}{self._signature}", body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        connection.close()
        return answer

    def put(self, name: str, files: Mapping[str, str]) -> None:
        """Upload an input of which the application makes these files."""
        answer = self.call("PUT", name, json.dumps(files).encode())
        assert answer.status == 201, (name, answer)

    def order(self, name: str) -> None:
        """Put a job for an input on the queue."""
        job = FileJob(etag="0x1", event_id="hostile", name=name, queued_at=now(), size=1)
        with QueueClient.from_connection_string(self._connection_string, JOBS_QUEUE) as jobs:
            jobs.send_message(job.encode(), time_to_live=-1)

    def read(self, name: str) -> bytes:
        """Return the content of a blob that must be there."""
        answer = self.call("GET", name)
        assert answer.status == 200, (name, answer)
        return answer.body

    def listing(self) -> dict[str, str]:
        """Return all blobs of the container, their ETags by their names."""
        answer = self.call("GET", "", query="restype=container&comp=list&")
        assert answer.status == 200, answer
        record = ElementTree.fromstring(answer.body)  # noqa: S314 -- the emulator of these tests.
        assert not record.findtext("NextMarker")
        return {
            blob.findtext("Name", ""): blob.findtext("Properties/Etag", "") for blob in record.iterfind("Blobs/Blob")
        }

    def receipt(self, name: str) -> Receipt:
        """Return an input's receipt, which must be its own and of results that are there as it says."""
        receipt = Receipt.decode(self.read(self.names.receipt_name(name)).decode())
        assert receipt.input.name == name
        for output in receipt.outputs:
            content = self.read(output.name)
            assert (len(content), hashlib.sha256(content).hexdigest()) == (output.size, output.sha256), output
        return receipt

    def work(self, **more: str) -> str:
        """Run a worker, with more in its environment, until the queue is empty and return what it logged."""
        environment = {
            "APP_ALIAS": ALIAS,
            "APP_CLAIM_SECONDS": "30",
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_IDLE_SECONDS": "0",
            "APP_MAX_ATTEMPTS": "1",
            "APP_RUNTIME_CONFIG_FILE": str(self.folder / "application" / "runtime.json"),
            "APP_SCRATCH_DIRECTORY": str(self.scratch),
            "APP_SHARE_DIRECTORY": str(self.folder / "share"),
            "APP_SLOTS": "2",
            "APP_STORAGE_CONNECTION": self._connection_string,
            "APP_STORAGE_CONTAINER": self.names.container,
            "APP_STORAGE_INPUT_PATH": self.names.input_path,
            "APP_STORAGE_OUTPUT_PATH": self.names.output_path,
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.folder / 'application'}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PROJECT),
            "TMPDIR": str(self.folder / "tmp"),
            **more,
        }
        worker = subprocess.run(
            [sys.executable, "-m", "pipeline_app.worker"],
            capture_output=True,
            check=False,
            cwd=self.folder / "cwd",
            env=environment,
            text=True,
            timeout=150,
        )
        assert worker.returncode == 0, worker.stdout + worker.stderr
        return worker.stdout

    def buried(self) -> list[str]:
        """Take the messages from the poison queue and return the names of their inputs."""
        with QueueClient.from_connection_string(self._connection_string, JOBS_POISON_QUEUE) as poison:
            messages = list(poison.receive_messages(messages_per_page=32))
            for message in messages:
                poison.delete_message(message)
        return sorted(json.loads(message.content)["name"] for message in messages)

    @property
    def scratch(self) -> Path:
        """The folder that the worker may do in what it wants."""
        return self.folder / "scratch"

    def outside(self) -> dict[str, tuple[int, int, str]]:
        """Return all that is on the disk around the scratch folder: mode, date of change and content."""
        found = {}
        for path in self.folder.rglob("*"):
            if self.scratch in (path, *path.parents):
                continue
            state = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path)] = (state.st_mode, state.st_mtime_ns, content)
        return found
