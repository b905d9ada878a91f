"""The canary's view of Azure: the account on the emulator, and what Resource Manager says of a container group."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from infra.deployer.resource_manager import Answer, PassingError, RefusedError
from infra.verification.azure import keyed_storage, verify_through
from infra.verification.canary import CanaryError, CanaryStorage, RunnerFacts
from infra.verification.runners import AzureGroups

GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups/worker-1"


@pytest.fixture
def storage(connection_string: str) -> Iterator[CanaryStorage]:
    container = f"files-{uuid.uuid4().hex}"
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        blobs.create_container(container)
        with keyed_storage(connection_string, container) as storage:
            yield storage
        blobs.delete_container(container)


def test_a_blob_is_put_up_known_by_its_content_and_removed_by_its_folder(storage: CanaryStorage) -> None:
    content = b"canary\n" * 700_000
    etag = storage.upload("incoming/.pipeline-canary/1/ü a.csv", content)
    storage.upload("incoming/.pipeline-canary.csv", b"mine")

    found = storage.find("incoming/.pipeline-canary/1/ü a.csv")
    assert found is not None
    assert found.etag == etag
    assert storage.digest(found.name) == (len(content), hashlib.sha256(content).hexdigest())
    assert storage.digest("incoming/none") is None
    with pytest.raises(ResourceExistsError):
        storage.upload(found.name, b"another's")
    for _ in range(2):
        storage.remove("incoming/.pipeline-canary/")
    assert [blob.name for blob in storage.list("incoming/")] == ["incoming/.pipeline-canary.csv"]


class Manager:
    """Resource Manager with an answer, or a refusal, by the end of the path."""

    def __init__(self, group: Any, log: Any = None) -> None:
        self.answers = {"containerGroups/worker-1": group, "logs": log}
        self.asked: list[str] = []

    def send(self, method: str, target: str) -> Answer:
        self.asked.append(f"{method} {target}")
        path = target.partition("?")[0]
        answer = next(answer for end, answer in self.answers.items() if path.endswith(end))
        if isinstance(answer, Exception):
            raise answer
        return Answer(body=answer, headers={}, status=200)


def facts(manager: Manager) -> RunnerFacts:
    (found,) = AzureGroups(manager, [GROUP]).facts()  # type: ignore[arg-type] # It sends, and no more is needed.
    return found


def test_a_group_is_told_by_its_containers_newest_events_and_last_lines() -> None:
    view = {
        "currentState": {"state": "Waiting"},
        "events": [
            {"lastTimestamp": "2026-01-31T12:00:00Z", "message": "pulling", "type": "Normal"},
            {"lastTimestamp": "2026-01-31T12:01:00Z", "message": "Failed to pull image", "type": "Warning"},
        ],
    }
    group = {
        "properties": {
            "containers": [{"name": "worker", "properties": {"instanceView": view}}],
            "instanceView": {"state": "Pending"},
        }
    }
    manager = Manager(group, {"content": "one\ntwo\n"})
    assert facts(manager) == RunnerFacts(
        events=("2026-01-31T12:01:00Z Warning Failed to pull image", "2026-01-31T12:00:00Z Normal pulling"),
        log=("one", "two"),
        name="worker-1",
        state="Waiting, Pending",
    )
    assert [asked.partition("?")[0] for asked in manager.asked] == [
        f"GET {GROUP}",
        f"GET {GROUP}/containers/worker/logs",
    ]


def test_what_cannot_be_told_now_takes_nothing_else_along() -> None:
    containers = [{"name": "worker", "properties": {}}]
    told = facts(Manager({"properties": {"containers": containers}}, RefusedError("logs answered 400: not yet")))
    assert (told.state, told.log) == ("unknown", ("(its log cannot be read: logs answered 400: not yet)",))
    assert facts(Manager(PassingError("gone", status=404))).state is None
    for refused in (PassingError("answered 429", status=429), RefusedError("answered 401")):
        assert facts(Manager(refused)) == RunnerFacts(events=(str(refused),), name="worker-1", state="unknown")


@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_a_file_that_is_another_by_now_is_refused_before_anything_is_uploaded(
    storage: CanaryStorage, tmp_path: Path, change: str
) -> None:
    file = tmp_path / "mine.csv"
    if change == "changed":
        file.write_text("new")
    properties = {
        "container": "c",
        "file": str(file),
        "file_sha256": hashlib.sha256(b"old").hexdigest(),
        "image": "i",
        "input_path": "incoming",
        "output_path": "outgoing",
        "seconds": 10,
    }
    with pytest.raises(CanaryError, match=r"mine\.csv', which (changed|cannot be read)"):
        verify_through(properties, storage, AzureGroups(Manager(None), []))  # type: ignore[arg-type] # None is asked.
    assert list(storage.list("")) == []
