"""What the claims of a message before tell of its file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline_app.contract import ContractError, FileJob
from pipeline_app.worker.history import MAX_SHARED_LOSSES, History

JOB = FileJob(etag="0x1", event_id="e", name="incoming/a.csv", queued_at="2026-01-01T00:00:00.000Z", size=3)


@pytest.mark.parametrize(
    ("claims", "told", "attempt", "losses", "suspect"),
    [
        (1, {}, 1, 0, False),
        (5, {"given_back": 4}, 1, 0, False),
        (3, {"failed": 2}, 3, 0, False),
        (2, {}, 1, 0, True),
        (4, {"failed": 1, "given_back": 1}, 2, 0, True),
        (9, {}, 1, 0, True),
        (2, {"isolated": 1}, 2, 1, True),
        (3, {"isolated": 1}, 3, 2, True),
        # Of losses in company one may have been its own.
        (9, {"isolated": 1}, 3, 2, True),
        (4, {"isolated": 2}, 4, 3, True),
        (MAX_SHARED_LOSSES + 3, {}, 3, 2, True),
    ],
)
def test_only_losses_that_are_the_files_own_count(
    claims: int, told: dict[str, Any], attempt: int, losses: int, suspect: bool
) -> None:
    history = History.of(replace(JOB, **told), claims)
    assert (history.attempt, history.losses, history.suspect) == (attempt, losses, suspect)


@pytest.mark.parametrize("told", [{"given_back": 3}, {"failed": 3}, {"isolated": 3}, {"given_back": 2, "isolated": 1}])
def test_a_message_that_tells_of_more_claims_than_there_were_is_refused_with_its_figures(told: dict[str, Any]) -> None:
    assert History.of(replace(JOB, **told), 4).shared == 0
    with pytest.raises(ContractError, match="was claimed 3 times, this time included"):
        History.of(replace(JOB, **told), 3)


def test_a_worker_of_an_older_release_takes_and_gives_back_what_a_newer_one_wrote() -> None:
    """It knows ``given_back`` alone; what it drops makes the file a suspect, and costs it no attempt."""
    text = replace(JOB, failed=1, given_back=1, isolated=1).encode()
    older = {name: value for name, value in json.loads(text).items() if name not in ("failed", "isolated")}
    older["given_back"] += 1
    again = History.of(FileJob.decode(json.dumps(older)), 5)
    assert (again.attempt, again.suspect) == (1, True)


def test_a_verdict_says_what_the_worker_was_lost_for_and_how_sure_that_is() -> None:
    once = History(failed=1, isolated=1, shared=0)
    assert once.verdict().startswith("The worker was lost once while it processed this file: it was killed")
    thrice = History(failed=0, isolated=2, shared=4)
    assert "lost 3 times while it processed this file, 2 of them with no other file in hand:" in thrice.verdict()
