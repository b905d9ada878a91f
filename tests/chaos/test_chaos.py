"""A short form of ``make chaos``, and what its proxy calls a request."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from tests.chaos.checking import NAMES
from tests.chaos.proxy import Exchange, Harm, Request, classify
from tests.chaos.steps import Course
from tests.chaos.world import Plan, World

SEED = 20260131


def test_no_file_is_lost_duplicated_torn_or_mixed_under_kills_and_broken_requests(
    connection_string: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plan = Plan(every_step=False, files=40, harm_rate=0.04, kills=20, overwrite_rate=0.1, seed=SEED, workers=3)

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
    assert findings.problems == []
    assert findings.counts["files with their receipt"] == plan.files
    # It would prove nothing if nothing had gone wrong.
    assert findings.counts["workers killed"] >= 10
    assert findings.counts["connections cut"] > 0


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


def exchange(step: str, harm: Harm = Harm.NONE, answer: bytes = b"", status: str = "succeeded") -> Exchange:
    carried_out = harm not in (Harm.CUT_BEFORE, Harm.KILL_BEFORE, Harm.REFUSE)
    return Exchange(
        answer=answer,
        harm=harm,
        headers={"x-ms-meta-status": status},
        request=Request(step=step, subject="subject"),
        status=201 if carried_out else None,
    )


@pytest.mark.parametrize(
    ("before", "last", "named"),
    [
        ([], exchange("claim", Harm.KILL_AFTER, b"<PopReceipt>x"), "after the claim"),
        ([], exchange("claim", Harm.KILL_AFTER), None),
        ([], exchange("claim", Harm.KILL_BEFORE, b""), None),
        ([], exchange("download", Harm.KILL_MIDWAY), "mid-download"),
        ([], exchange("write the result", Harm.KILL_BEFORE), "between export and upload"),
        ([exchange("write the result")], exchange("write the result", Harm.KILL_BEFORE), "between uploads"),
        (
            [exchange("write the result", Harm.REFUSE)],
            exchange("write the result", Harm.KILL_BEFORE),
            "between export and upload",
        ),
        (
            [exchange("write the result"), exchange("claim")],
            exchange("write the result", Harm.KILL_BEFORE),
            "between export and upload",
        ),
        ([], exchange("write the receipt", Harm.KILL_BEFORE), "before the receipt"),
        ([], exchange("write the receipt", Harm.KILL_BEFORE, status="failed"), None),
        ([], exchange("write the receipt", Harm.KILL_AFTER), "before the delete"),
        ([], exchange("delete the message", Harm.KILL_BEFORE), "before the delete"),
        ([], exchange("delete the message", Harm.KILL_AFTER), None),
    ],
)
def test_a_kill_counts_for_the_step_that_it_certainly_hit(
    before: list[Exchange], last: Exchange, named: str | None
) -> None:
    course = Course()
    assert [course.step(each) for each in before] == [None] * len(before)
    assert course.step(last) == named
