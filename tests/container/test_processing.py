"""The image at work: files from Azurite, configs and log on a bind-mounted share, and the end of its time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from infra.local.waiting import wait_until
from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE, FileJob, Receipt, now
from tests.container.conftest import PROJECT, RELEASE, Run, docker, state_of

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


@pytest.fixture
def site(connection_string: str, tmp_path: Path) -> Iterator[Site]:
    share = tmp_path / "share"
    share.mkdir()
    # Azure Files is mounted with these rights for everybody.
    share.chmod(0o777)
    (share / "runtime.json").write_text('{"args": ["{input}", "{output}"]}')
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.create_queue(name)
        files = blobs.create_container(f"c{uuid.uuid4().hex}")
        yield Site(connection_string, files, queues.get_queue_client(JOBS_QUEUE), share)
        for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
            queues.delete_queue(name)


def ended(container: str) -> bool:
    return state_of(container)["Status"] == "exited"


def test_it_drains_the_queue_on_a_read_only_root_and_exits_0(site: Site, run: Run) -> None:
    inputs = {path.name: path.read_bytes() for path in (PROJECT / "pipeline_app" / "sample_inputs").glob("*.csv")}
    for name, data in inputs.items():
        site.upload(f"incoming/{name}", data)
    container = run(*site.options(APP_IMAGE="registry/image@sha256:1"))
    assert wait_until(lambda: ended(container), seconds=60), docker("logs", container).stdout
    log = docker("logs", container).stdout
    assert state_of(container)["ExitCode"] == 0, log
    assert inputs
    for name in inputs:
        receipt = site.receipt(name)
        assert (receipt.status, receipt.release, receipt.image) == ("succeeded", RELEASE, "registry/image@sha256:1")
        assert f"outgoing/{name}/chart.svg" in {output.name for output in receipt.outputs}
        assert name in (site.share / "logs" / "app.log").read_text()
    assert site.jobs.get_queue_properties().approximate_message_count == 0


def test_an_application_that_takes_too_much_memory_costs_its_file_alone(site: Site, run: Run) -> None:
    # The engine kills the biggest process of the container, which is the application; the worker lives on.
    (site.share / "runtime.json").write_text(
        json.dumps({"args": ["-c", "import sys; exec(open(sys.argv[1]).read())", "{input}"]})
    )
    site.upload("incoming/greedy", b"x = bytearray(10**9)")
    site.upload("incoming/modest", b"x = bytearray(10**6)")
    options = site.options(APP_ALIAS="python", APP_MAX_ATTEMPTS="1")
    container = run("--memory", "256m", "--memory-swap", "256m", *options)
    assert wait_until(lambda: ended(container), seconds=60)
    assert state_of(container)["ExitCode"] == 0, docker("logs", container).stdout
    assert site.receipt("modest").status == "succeeded"
    greedy = site.receipt("greedy")
    assert greedy.status == "failed"
    assert greedy.error == "The application was ended by SIGKILL; it may have run out of memory."


def test_a_stop_gives_the_file_back_within_the_grace_period(site: Site, run: Run) -> None:
    (site.share / "runtime.json").write_text('{"args": ["3600"]}')
    site.upload("incoming/slow", b"")
    container = run(*site.options(APP_ALIAS="sleep"))
    assert wait_until(lambda: "claimed 'incoming/slow'" in docker("logs", container).stdout, seconds=30)
    docker("stop", "--time", "20", container)
    # 137 would say that the engine had to kill it after the grace period.
    assert state_of(container)["ExitCode"] == 0
    message = site.jobs.receive_message()
    assert message is not None
    assert FileJob.decode(message.content).given_back == 1
