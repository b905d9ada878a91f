"""Where Microsoft's worker runs the archive in tests: account, group, host and packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueClient

from pipeline_app.contract import FileJob
from tests.function.real_worker.host import FunctionsHost, base_environment

ACCOUNT = "appstorage1"
CLIENT = "00000000-0000-4000-8000-00000000000c"
CONTAINER = "pipeline-files"
GROUP = (
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.ContainerInstance/containerGroups/worker-1"
)
HOST_JSON = Path(__file__).parents[3] / "function" / "host.json"
PROBE = Path(__file__).with_name("probe_app.py")
REQUIREMENTS = PROBE.with_name("requirements.txt")
ROOT = Path(__file__).parents[3]
SECONDS = 120


class RunningGroup:
    """A container group that runs already."""

    location = "westeurope"

    def restart(self) -> None:
        raise AssertionError("Nobody restarts a group.")

    def start(self) -> None:
        return None

    def stop(self) -> None:
        return None

    def view(self) -> dict[str, Any]:
        state = {"currentState": {"detailStatus": "", "startTime": "2026-01-01T00:00:00Z", "state": "Running"}}
        container = {"name": "worker", "properties": {"image": "i", "instanceView": state}}
        properties = {
            "containers": [container],
            "instanceView": {"state": "Running"},
            "osType": "Linux",
            "provisioningState": "Succeeded",
        }
        return {"id": GROUP, "location": self.location, "name": "worker-1", "properties": properties}


class Hosts:
    """Makes hosts that are ended with the test."""

    def __init__(self, python: str, packages: Path, folder: Path) -> None:
        self.made: list[FunctionsHost] = []
        self._folder = folder
        self._packages = packages
        self._python = python

    def start(self, app: Path, settings: dict[str, str], mode: str = "started") -> FunctionsHost:
        """Start a worker for an app, or let one that waits for any app become its own; index its functions."""
        placeholder = self._folder / "placeholder"
        placeholder.mkdir(exist_ok=True)
        base = base_environment()
        environment = base | ({"WEBSITE_PLACEHOLDER_MODE": "1"} if mode == "specialized" else settings)
        log = self._folder / f"worker-{len(self.made)}.log"
        host = FunctionsHost(self._python, self._packages, app, environment, log)
        self.made.append(host)
        answers = [host.init(placeholder if mode == "specialized" else app)]
        if mode == "specialized":
            answers.append(host.specialize(base | settings))
        answers.append(host.index())
        for answer in answers:
            assert host.succeeded(answer), answer
        return host


def event(name: str) -> str:
    """Return an event of a finished upload, as Event Grid writes it."""
    topic = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
    data = {
        "api": "PutBlob",
        "blobType": "BlockBlob",
        "contentLength": 3,
        "eTag": "0x8DD000000000001",
        "url": f"https://{ACCOUNT}.blob.core.windows.net/{CONTAINER}/{name}",
    }
    return json.dumps(
        {
            "data": data,
            "dataVersion": "",
            "eventTime": "2026-01-31T12:00:00.0000000Z",
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": "831e1650-001e-001b-66ab-eeb76e069631",
            "metadataVersion": "1",
            "subject": f"/blobServices/default/containers/{CONTAINER}/blobs/{name}",
            "topic": topic,
        }
    )


def job_names(jobs: QueueClient) -> list[str]:
    """Take all jobs off the queue; return the names of their inputs."""
    return sorted(FileJob.decode(each.content).name for each in jobs.receive_messages(messages_per_page=32))
