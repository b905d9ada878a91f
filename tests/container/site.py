"""Storage and a share for containers of the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from infra.local.processes.waiting import wait_until
from pipeline_app.contract import FileJob, Receipt, now
from tests.container.client import docker, state_of

MOUNT = "/mnt/azurefiles"


@dataclass(frozen=True)
class Site:
    """Storage and a share for one container."""

    connection_string: str
    files: ContainerClient
    jobs: QueueClient
    share: Path

    def upload(self, name: str, data: bytes) -> None:
        etag = self.files.upload_blob(name, data).get_blob_properties().etag
        job = FileJob(etag=etag, event_id="e", name=name, queued_at=now(), size=len(data))
        self.jobs.send_message(job.encode(), time_to_live=-1)

    def receipt(self, name: str) -> Receipt:
        return Receipt.decode(self.files.download_blob(f"outgoing/{name}/receipt.json").readall().decode())

    def options(self, **more: str) -> list[str]:
        environment = {
            "APP_IDLE_SECONDS": "0",
            # The network of the host is shared, so that Azurite on loopback is reached, and so are its ports.
            "APP_HEALTH_ADDRESS": "127.0.0.1",
            "APP_HEALTH_PORT": "0",
            "APP_LOG_FILE": f"{MOUNT}/logs/app.log",
            "APP_RUNTIME_CONFIG_FILE": f"{MOUNT}/runtime.json",
            "APP_STORAGE_CONNECTION": self.connection_string,
            "APP_STORAGE_CONTAINER": self.files.container_name,
            "APP_STORAGE_INPUT_PATH": "incoming",
            "APP_STORAGE_OUTPUT_PATH": "outgoing",
        } | more
        variables = [option for name, value in environment.items() for option in ("--env", f"{name}={value}")]
        # As on Container Instances, but stricter: nothing but the share and /tmp can be written.
        mounts = ["--read-only", "--tmpfs", "/tmp", "--volume", f"{self.share}:{MOUNT}"]
        return ["--network", "host", *mounts, *variables]


def ended(container: str) -> bool:
    """Tell whether a container has ended."""
    return state_of(container)["Status"] == "exited"


def wait_for_end(container: str) -> str:
    """Wait until a container has ended well, and return what it logged."""
    assert wait_until(lambda: ended(container), seconds=120), docker("logs", container).stdout
    log = docker("logs", container).stdout
    assert state_of(container)["ExitCode"] == 0, log
    return log
