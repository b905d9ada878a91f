"""Microsoft's own Python worker loads, indexes and runs the function's archive, asked as the host asks it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from infra.local.data.folder import DataFolder
from infra.local.processes.supervisor import Supervisor
from infra.local.processes.waiting import wait_until
from infra.local.services.functions import FunctionHost, Site
from pipeline_app.contract import STATE_CONTAINER
from tests.function.real_worker.setting import (
    HOST_JSON,
    PROBE,
    SECONDS,
    Hosts,
    event,
    job_names,
)
from tests.local.fakes import Recorder


def told(path: Path) -> dict[str, Any]:
    """Wait for what a function was given; return it."""
    assert wait_until(path.exists, seconds=60)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_local_host_gives_a_function_what_the_real_worker_gives_it(
    hosts: Hosts, connection_string: str, tmp_path: Path
) -> None:
    root = tmp_path / "probe"
    root.mkdir()
    shutil.copy(PROBE, root / "function_app.py")
    shutil.copy(HOST_JSON, root)
    settings = {"APP_STORAGE_CONNECTION": connection_string}
    # Not all of it is text.
    body = b"\xc3\xa4\xff"
    real = hosts.start(root, settings | {"PROBE_FILE": str(tmp_path / "real-")})
    for _, future in (real.deliver("take", body.decode(errors="replace")), real.tick("tick")):
        assert real.succeeded(future.result(SECONDS))
    data = DataFolder(tmp_path / "data")
    supervisor = Supervisor(tmp_path / "processes.json", tmp_path / "beacon")
    with QueueClient.from_connection_string(connection_string, "probe") as queue:
        queue.create_queue()
        queue.send_message(base64.b64encode(body).decode(), time_to_live=-1)
        try:
            site = Site(client_ids=frozenset(), name="s", settings=settings | {"PROBE_FILE": str(tmp_path / "local-")})
            FunctionHost(site, root, data, Recorder(), lambda *_: None, lambda _: None).start(supervisor)
            for function in ("take", "tick"):
                assert told(tmp_path / f"local-{function}.done") == told(tmp_path / f"real-{function}.done")
        finally:
            supervisor.close()
            data.release()
    assert told(tmp_path / "real-take.done")["count"] == 1


@pytest.mark.parametrize("mode", ["started", "specialized"])
def test_the_worker_indexes_and_runs_the_archive(
    hosts: Hosts, app: Path, settings: dict[str, str], jobs: QueueClient, connection_string: str, mode: str
) -> None:
    host = hosts.start(app, settings, mode)
    found = {name: json.loads(each.raw_bindings[0]) for name, each in host.functions.items()}
    assert {name: each["type"] for name, each in found.items()} == {"dispatch": "queueTrigger", "sweep": "timerTrigger"}
    assert (found["dispatch"]["queueName"], found["dispatch"]["connection"]) == ("events", "APP_STORAGE_CONNECTION")
    assert found["sweep"]["schedule"] == "%APP_SWEEP_SCHEDULE%"

    answer = host.deliver("dispatch", event("incoming/ünï côde.csv"))[1].result(SECONDS)
    assert host.succeeded(answer), answer
    assert job_names(jobs) == ["incoming/ünï côde.csv"]
    answer = host.deliver("dispatch", "no event at all")[1].result(SECONDS)
    assert host.succeeded(answer), answer
    assert job_names(jobs) == []

    answer = host.tick("sweep")[1].result(SECONDS)
    assert host.succeeded(answer), answer
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        assert blobs.get_blob_client(STATE_CONTAINER, "sweep.json").exists()


def test_what_fails_is_told_to_the_host_so_that_the_event_comes_again(
    hosts: Hosts, app: Path, settings: dict[str, str]
) -> None:
    host = hosts.start(app, settings | {"APP_STORAGE_CONTAINER": ""})
    answer = host.deliver("dispatch", event("incoming/a.csv"))[1].result(SECONDS)
    assert not host.succeeded(answer)
    assert "APP_STORAGE_CONTAINER" in answer.result.exception.message
