"""The questions that the local cloud can answer, asked of it: real uploads, real events, real workers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient, BlobType
from azure.storage.queue import QueueClient

from infra.acceptance.asking import ask
from infra.acceptance.azure import HttpAzure
from infra.acceptance.clock import Clock
from infra.acceptance.groups import ProbeGroup
from infra.acceptance.questions import scaler
from infra.acceptance.questions.uploads import EXPECTED, upload_all
from infra.acceptance.site import Site
from infra.acceptance.storage import SdkAccount, open_account
from infra.components.roles import Role
from infra.local.commands.run import PROJECT
from infra.local.services.arm import ArmServer, TransitioningError
from infra.local.services.identity import Directory
from tests.acceptance.conftest import make_play, no_rest
from tests.local.runs import Client, Run


class ShortClock(Clock):
    """Passes long waits over, which the local cloud needs none of."""

    def pause(self, seconds: float) -> None:
        super().pause(min(seconds, 0.1))


@pytest.fixture
def site(run: Run, client: Client) -> Iterator[Site]:
    """A site whose account is the local run's, and whose clock is short."""
    outputs = run.ready()
    with open_account(outputs["appStorageConnectionString"], client.names, None) as account:
        yield replace(make_play(no_rest).site, account=account, clock=ShortClock())


def test_each_way_of_uploading_gets_its_receipt(site: Site, run: Run) -> None:
    uploaded = upload_all(site, "acceptance")
    # What is appended to is left to the sweep, which may pause for minutes.
    subprocess.run(
        [sys.executable, "-m", "infra.local", "backfill", "--data", str(run.data)], check=True, cwd=PROJECT, timeout=60
    )
    receipts = {}
    for way, each in uploaded.items():
        find = partial(site.account.receipt, *each)
        receipts[way] = site.clock.wait(find, f"a receipt of {way}", seconds=60, every=0.1)

    assert receipts.keys() == EXPECTED.keys()
    assert {receipt["status"] for receipt in receipts.values()} == {"succeeded"}
    assert {receipt["input"]["name"] for receipt in receipts.values()} == {name for name, _ in uploaded.values()}


def test_each_way_of_uploading_makes_the_blob_that_it_stands_for(site: Site, run: Run, client: Client) -> None:
    uploaded = upload_all(site, "kinds")
    assert isinstance(site.account, SdkAccount)
    with BlobServiceClient.from_connection_string(run.ready()["appStorageConnectionString"]) as service:
        blobs = {way: service.get_blob_client(client.names.container, name) for way, (name, _) in uploaded.items()}
        kinds = {way: blob.get_blob_properties().blob_type for way, blob in blobs.items()}
        committed = {
            way: len(blob.get_block_list()[0]) for way, blob in blobs.items() if kinds[way] == BlobType.BLOCKBLOB
        }
        copied = blobs["copy"].get_blob_properties().copy.status

    assert {way for way, kind in kinds.items() if kind == BlobType.APPENDBLOB} == {"append"}
    assert committed["blocks"] > 1
    assert committed["sdk"] > 1
    assert committed["put"] == 0
    assert copied == "success"


def test_an_upload_wakes_the_function_and_its_receipt_tells_by_what(site: Site) -> None:
    answer = ask(replace(scaler.QUESTION, limit_minutes=60), site)

    assert answer.verdict == "as expected", answer.seen
    assert "The event woke it: receipt (succeeded)" in answer.seen


def test_a_queue_of_the_questions_own_is_emptied_and_removed(site: Site, run: Run) -> None:
    site.account.make_queue("acceptance-own")
    connection = run.ready()["appStorageConnectionString"]
    with QueueClient.from_connection_string(connection, "acceptance-own") as queue:
        for number in range(40):
            queue.send_message(f"{number}")
    assert len(site.account.messages("acceptance-own")) == 40
    assert site.account.messages("acceptance-own") == []
    site.account.drop_queue("acceptance-own")
    site.account.drop_queue("acceptance-own")


class StoppedGroup:
    """A group of the local Resource Manager that has ended, and runs from its first start on."""

    location = "westeurope"

    def __init__(self) -> None:
        self.started: list[threading.Event] = []

    def restart(self) -> None:
        raise TransitioningError

    def start(self) -> threading.Event | None:
        self.started.append(threading.Event())
        return self.started[0] if len(self.started) == 1 else None

    def stop(self) -> None:
        raise TransitioningError

    def view(self) -> dict[str, Any]:
        return {"name": "worker-1", "properties": {"instanceView": {"state": "Succeeded"}}}


def test_the_client_and_its_groups_speak_to_the_local_resource_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Directory()
    directory.add_identity("client", "principal")
    directory.add_identity("other-client", "other-principal")
    header = directory.add_site({"client", "other-client"})
    site = make_play(no_rest).site
    group = ProbeGroup(site, "worker-1", {})
    directory.add_role("principal", group.id, Role.CONTAINER_INSTANCES_CONTRIBUTOR.value)
    server = ArmServer(directory, {group.id.lower(): StoppedGroup()}, tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))

    def asked_as(client_id: str) -> ProbeGroup:
        def get_token(*_scopes: str, **_options: object) -> AccessToken:
            return AccessToken(directory.issue(header, client_id, server.url) or "", 0)

        azure = HttpAzure(SimpleNamespace(get_token=get_token), server.url)
        return ProbeGroup(replace(site, azure=azure), "worker-1", {})

    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mine, others = asked_as("client"), asked_as("other-client")
        assert mine.state() == "Succeeded"
        assert [mine.act("start").status, mine.act("start").status] == [202, 204]
        assert mine.act("stop").told == "409 ContainerGroupTransitioning"
        assert others.act("start").told == "403 AuthorizationFailed"
        server.shutdown()
