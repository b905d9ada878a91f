"""A file that kills its worker, as ``kill -9`` of a real one does, in a real run: it fails for that, and it alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.local.processes.waiting import wait_until
from tests.local.runs import Run, client_of, leftovers, obedient, running

ATTEMPTS = 2


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run whose worker has two slots, and whose applications may take longer than the test."""
    config = [pair for pair in obedient(tmp_path, timeout_seconds=600) if not pair.startswith("claimSeconds=")]
    config += ["claimSeconds=10", "slots=2", f"maxAttempts={ATTEMPTS}"]
    with running(tmp_path / "data", *config) as run:
        yield run


def kills_its_worker(run: Run) -> bool:
    """Do to the worker what the file that hangs would do, if it is at it; tell whether it was."""
    if not any(line.startswith("sleep 600") for line in leftovers(run.data)):
        return False
    with contextlib.suppress(KeyError, psutil.NoSuchProcess):
        for child in run.children()["worker-1"].children():
            child.kill()
        return wait_until(lambda: not any(line.startswith("sleep") for line in leftovers(run.data)), 10)
    return False


def test_a_file_that_kills_its_worker_fails_for_it_and_those_beside_it_succeed(run: Run) -> None:
    with client_of(run) as client:
        # The second is at work beside the killer when that strikes first; the others are taken ahead or wait.
        killer = client.upload("killer.txt", b"hang")
        others = {name: client.upload(name, b"slow") for name in ("beside.txt", "ahead.txt", "waits.txt")}
        log = run.data / "logs" / "worker-1.log"
        begun = [f"claimed 'incoming/{name}'" for name in ("killer.txt", "beside.txt")]
        assert wait_until(lambda: log.exists() and all(line in log.read_text(encoding="utf-8") for line in begun), 60)
        kills = 0
        while client.find_receipt("killer.txt", killer) is None:
            if wait_until(lambda: kills_its_worker(run), 1):
                kills += 1
                assert kills <= ATTEMPTS
        receipt = client.receipt("killer.txt", killer)
        assert receipt.status == "failed"
        assert "The worker was lost 2 times while it processed this file, 1 of them with no other" in str(receipt.error)
        for name, etag in others.items():
            assert client.receipt(name, etag).status == "succeeded"
    assert "isolated 'incoming/killer.txt'" in log.read_text(encoding="utf-8")
