"""A short form of the lives that end in ``make chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from pipeline_app.contract import JOBS_POISON_QUEUE, JOBS_QUEUE
from tests.chaos.checking import NAMES
from tests.chaos.lives import TOO_LONG, Lives, LivesPlan

SEED = 20261127


@pytest.mark.parametrize("groups", [False, True], ids=["replica timeouts", "groups"])
def test_lives_that_end_cost_no_attempt_and_starve_no_file(
    connection_string: str, tmp_path: Path, request: pytest.FixtureRequest, groups: bool
) -> None:
    def tidy() -> None:
        with (
            BlobServiceClient.from_connection_string(connection_string) as blobs,
            QueueServiceClient.from_connection_string(connection_string) as queues,
        ):
            blobs.delete_container(NAMES.container)
            for name in (JOBS_QUEUE, JOBS_POISON_QUEUE):
                queues.delete_queue(name)

    request.addfinalizer(tidy)
    plan = LivesPlan(ends=3, groups=groups, seed=SEED, workers=3)
    findings = Lives(plan, connection_string, tmp_path).run(print)
    assert findings.problems == []
    # It would prove nothing if nothing had been ended, or nothing had been too long.
    assert findings.counts["lives that were ended"] >= plan.ends
    assert bool(findings.counts[TOO_LONG]) is not groups
    assert findings.counts["files with their receipt"] == findings.counts["files"] - findings.counts[TOO_LONG]
