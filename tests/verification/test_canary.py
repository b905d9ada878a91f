"""A canary comes through a working pipeline, fails in words in any other, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.operate.story import gather
from infra.verification.canary import (
    BUILT_IN_CONTENT,
    BUILT_IN_NAME,
    Canary,
    CanaryError,
    RunnerFacts,
    Watch,
    put_through,
)
from infra.verification.diagnosis import diagnose
from pipeline_app.contract import Receipt
from pipeline_app.contract.worker_events import Outage
from tests.memory.operate import MOMENT, NAMES
from tests.verification.pipeline import IMAGE, Pipeline

CANARY = Canary(content=BUILT_IN_CONTENT, image=IMAGE, must_succeed=False, name=BUILT_IN_NAME, seconds=60)

OUTAGE = Outage(again_in=None, code="AuthorizationPermissionMismatch", doing="receive", problem="It is refused.")


def verify(pipeline: Pipeline, canary: Canary = CANARY, groups: tuple[RunnerFacts, ...] = ()) -> str:
    def explain(watch: Watch) -> str:
        return diagnose(watch, gather(watch.name, pipeline, NAMES, None), NAMES, groups, MOMENT)

    return put_through(canary, NAMES, pipeline, explain, clock=pipeline.clock, sleep=pipeline.sleep)


def failed(receipt: Receipt) -> Receipt:
    return replace(receipt, error="The application ended with exit code 3.", exit_code=3, outputs=(), status="failed")


def test_a_working_pipeline_lets_it_through() -> None:
    assert verify(Pipeline()) == "The pipeline processed 'canary.csv'."


def test_it_is_an_input_that_counts_as_none() -> None:
    pipeline = Pipeline()
    verify(pipeline)
    (name,) = pipeline.uploaded
    assert NAMES.is_input(name)
    assert NAMES.is_canary(name)
    assert not NAMES.is_canary("incoming/a.csv")
    assert not NAMES.is_canary("incoming/.pipeline-canary.csv")


@pytest.mark.parametrize(
    "steps", [["event", "job", "worker", "receipt"], ["event"], []], ids=["through", "stuck", "lost"]
)
def test_nothing_of_it_is_left_whatever_comes_of_it(steps: list[str]) -> None:
    pipeline = Pipeline(steps=steps)
    mine = pipeline.upload("incoming/mine.csv", b"x"), pipeline.upload("outgoing/mine.csv/cleaned.csv", b"x")
    pipeline.upload(f"{NAMES.canary_path}/1/canary.csv", b"left by a deploy that was killed")
    try:
        verify(pipeline)
    except CanaryError:
        assert steps != ["event", "job", "worker", "receipt"]
    assert sorted(pipeline.blobs) == ["incoming/mine.csv", "outgoing/mine.csv/cleaned.csv"]
    assert all(mine)


def test_an_application_that_refuses_the_built_in_file_is_told_of_and_no_fault_of_the_pipeline() -> None:
    told = verify(Pipeline(change=failed))
    assert "refused the built-in file 'canary.csv' with the exit code 3" in told
    assert "Set verifyFile" in told


def test_a_file_of_the_user_has_to_succeed() -> None:
    canary = replace(CANARY, must_succeed=True, name="mine.csv")
    with pytest.raises(CanaryError, match=r"exit code 3.*\n(.*\n)*.*file that verifyFile names"):
        verify(Pipeline(change=failed), canary)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (lambda receipt: replace(receipt, image="other@sha256:2"), "Another image than the deployed one"),
        (lambda receipt: replace(receipt, input=replace(receipt.input, sha256="0" * 64)), "another size or SHA-256"),
        (lambda receipt: replace(failed(receipt), error="The worker was lost.", exit_code=None), "worker was lost"),
        (
            lambda receipt: replace(failed(receipt), error="In the export step: The application exited with code 2."),
            "Is exportConfigFile meant for this application",
        ),
    ],
    ids=["image", "input", "worker", "export"],
)
def test_a_receipt_of_no_working_pipeline_fails(change: object, because: str) -> None:
    with pytest.raises(CanaryError, match=because):
        verify(Pipeline(change=change))  # type: ignore[arg-type] # The parameter is a function as it takes.


def test_a_result_that_is_not_what_the_receipt_says_fails() -> None:
    with pytest.raises(CanaryError, match=r"cleaned\.csv' is not what its receipt says"):
        verify(Pipeline(rot="rotten"))


def test_a_receipt_of_an_earlier_version_is_none() -> None:
    pipeline = Pipeline(change=lambda receipt: replace(receipt, input=replace(receipt.input, etag="0xOLD")))
    with pytest.raises(CanaryError, match=r"No receipt came within 60 s\."):
        verify(pipeline)


@pytest.mark.parametrize(
    ("steps", "advice"),
    [
        ([], "No event of the upload arrived"),
        (["event"], "no job came of it"),
        (["event", "job"], "no worker took it to its end"),
        (["event", "job", "worker"], "A worker began with it and wrote no receipt"),
        (["event", "poison"], "put aside in the queue 'events-poison'"),
    ],
    ids=["events", "function", "group", "worker", "poison"],
)
def test_it_says_how_far_the_file_came_and_what_to_do(steps: list[str], advice: str) -> None:
    with pytest.raises(CanaryError) as raised:
        verify(Pipeline(steps=steps))
    assert advice in str(raised.value)
    assert "'pulumi up' tries again" in str(raised.value)


def test_it_waits_no_longer_than_it_may_and_not_at_all_for_what_was_put_aside() -> None:
    stuck, poisoned = Pipeline(steps=["event"]), Pipeline(steps=["event", "poison"])
    for pipeline in (stuck, poisoned):
        with pytest.raises(CanaryError):
            verify(pipeline)
    assert 60 <= stuck.clock() <= 63
    assert poisoned.clock() <= 6


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        (RunnerFacts(events=("Failed to pull image x: unauthorized",), name="worker-1", state="Waiting"), "AcrPull"),
        (RunnerFacts(events=("Failed to mount Azure File Volume.",), name="worker-1", state="Waiting"), "share"),
        (RunnerFacts(name="worker-1", state=None), "worker-1 does not exist"),
        (
            RunnerFacts(log=(str(OUTAGE),), name="worker-1", state="Running"),
            "may not use the storage account",
        ),
    ],
    ids=["image", "share", "missing", "role"],
)
def test_it_says_what_keeps_a_container_group_from_working(facts: RunnerFacts, advice: str) -> None:
    with pytest.raises(CanaryError) as raised:
        verify(Pipeline(steps=["event", "job"]), groups=(facts,))
    after = str(raised.value).partition("What to do")[2]
    assert advice in after
    assert "no worker took it" not in after
