"""A short form of ``make chaos``, and what its proxy calls a request."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from tests.chaos.proxy import KILLS, Request, classify
from tests.chaos.world import NAMES, Plan, World

SEED = 20260131


def test_no_file_is_lost_torn_or_mixed_under_kills_and_broken_requests(
    connection_string: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = Plan(files=40, harm_rate=0.05, kills=20, overwrite_rate=0.1, seed=SEED, workers=3)

    def tidy() -> None:
        with (
            BlobServiceClient.from_connection_string(connection_string) as blobs,
            QueueServiceClient.from_connection_string(connection_string) as queues,
        ):
            blobs.delete_container(NAMES.container)
            for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
                queues.delete_queue(name)

    request.addfinalizer(tidy)
    findings = World(plan, connection_string, tmp_path).run(print)
    assert (findings.lost, findings.torn, findings.mixed, findings.leaked) == ([], [], [], [])
    assert findings.succeeded == plan.files
    # It would prove nothing if nothing had gone wrong.
    assert findings.kills > 5
    assert {harm for _, harm in findings.harms} - KILLS


@pytest.mark.parametrize(
    ("method", "target", "step", "subject"),
    [
        ("GET", "/a/jobs/messages?visibilitytimeout=2", "claim", "jobs/messages"),
        ("PUT", "/a/jobs/messages/1?popreceipt=x&visibilitytimeout=2", "renew or give back", "jobs/messages/1"),
        ("DELETE", "/a/jobs/messages/1?popreceipt=x", "delete the message", "jobs/messages/1"),
        ("GET", "/a/jobs?comp=metadata", "look at the queue", "jobs"),
        ("GET", "/a/pipeline-files/incoming/a%20b.csv", "download", "incoming/a b.csv"),
        ("HEAD", "/a/pipeline-files/outgoing/a/receipt.json", "look at the receipt", "outgoing/a/receipt.json"),
        ("PUT", "/a/pipeline-files/outgoing/a/run.log", "write the log", "outgoing/a/run.log"),
        ("PUT", "/a/pipeline-files/outgoing/a/x?comp=block&blockid=1", "write the result", "outgoing/a/x"),
        ("GET", "/a/pipeline-files?restype=container&comp=list", "list the results", ""),
    ],
)
def test_each_request_is_the_step_it_is(method: str, target: str, step: str, subject: str) -> None:
    assert classify(method, target) == Request(step=step, subject=subject)
