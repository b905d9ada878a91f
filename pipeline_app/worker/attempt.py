"""What is known of one claim of one job, stage by stage: claimed, fetched, run."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline_app.contract import FileJob, InputVersion
from pipeline_app.worker.application import RunResult
from pipeline_app.worker.claim import Claim
from pipeline_app.worker.history import History
from pipeline_app.worker.outside import OUTSIDE, Outside
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.run_log import RunLog
from pipeline_app.worker.working import WorkingMark


class Outcome(StrEnum):
    """What became of a message."""

    BURIED = "buried"
    CANARY = "canary"
    FAILED = "failed"
    GIVEN_BACK = "given back"
    LOST = "lost"
    SKIPPED = "skipped"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, kw_only=True)
class Processed:
    """What became of a message.

    Attributes:
        again_in: in how many seconds it will be visible again; 0 if it is settled.
        config: whether the trouble is with a config on the share, so that the next file would have the same.
        outcome: in a word.
        trouble: what the storage or the share refused, in a sentence, where that and not the file is why it was given
            back.
    """

    outcome: Outcome
    again_in: float = 0.0
    config: bool = False
    trouble: str | None = None


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A job whose message is claimed.

    Attributes:
        claim: is renewed until the message is settled.
        directory: where the results go.
        history: what became of the claims before, and so which attempts count.
        job: what the message said when it was claimed.
        number: which attempt this is, from 1, whether or not those before it count.
        outside: has the time, ids and chance.
        resources: closed when the message is settled, whatever became of it.
        unseen: the message was never claimed before.
        whole: it is the first thing that its slot does, and next to all of the worker's life is left for it.
    """

    claim: Claim
    directory: str
    history: History
    job: FileJob
    number: int
    outside: Outside = OUTSIDE
    resources: ExitStack
    unseen: bool
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Fetched(Claimed):
    """A claimed job whose input is on disk.

    Attributes:
        fetch_seconds: how long that took.
        first: nothing was published or begun for this input before, as far as is known.
        input_file: the input, unless there is a refusal.
        lasting: no later attempt would be without the refusal.
        log: the log of this attempt.
        mark: says in storage that the attempt is under way, if it takes long.
        publication: the right to publish.
        refusal: why the application is not run at all, in a sentence, or None.
        scratch: the attempt's folder.
        version: the version of the input.
    """

    fetch_seconds: float = 0.0
    first: bool
    input_file: Path
    lasting: bool
    log: RunLog
    mark: WorkingMark
    publication: Publication
    refusal: str | None
    scratch: Path
    version: InputVersion


@dataclass(frozen=True, kw_only=True)
class Ran(Fetched):
    """A job whose application has ended, as ``result`` says, at the monotonic moment ``ended``.

    ``size`` is what its folder takes in bytes.
    """

    ended: float = -math.inf
    ran_seconds: float = 0.0
    result: RunResult
    size: int
    started_at: str


def known(stage: Claimed) -> dict[str, Any]:
    """Return what a stage knows by its fields' names, which the next one begins with."""
    return {field.name: getattr(stage, field.name) for field in fields(stage)}
