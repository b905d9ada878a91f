"""Putting one file through a deployed pipeline and checking what comes back, against protocols instead of Azure."""

from __future__ import annotations

import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, Protocol

from infra.operate.storage import Storage
from infra.operate.story import messages
from pipeline_app.contract import (
    EVENTS_POISON_QUEUE,
    EVENTS_QUEUE,
    EXPORT_PROBLEM,
    JOBS_POISON_QUEUE,
    JOBS_QUEUE,
    RECEIPT_ETAG_METADATA,
    ContractError,
    Receipt,
    StorageNames,
)

# What is put through where the stack names no file: any application can be run for it, and few can make sense of it.
BUILT_IN_NAME: Final = "canary.csv"
BUILT_IN_CONTENT: Final = b"canary,value\none,1\ntwo,2\n"

# It is looked for often at first, since a pipeline whose worker is there takes seconds.
FIRST_POLLS: Final = 40
FIRST_POLL_SECONDS: Final = 0.5
POLL_SECONDS: Final = 3.0


class Step(Enum):
    """How far a canary was seen to come, in this order."""

    UPLOADED = "uploaded"
    EVENT = "event"
    JOB = "job"
    WORKER = "worker"
    POISONED = "poisoned"


class CanaryError(RuntimeError):
    """The pipeline did not process the canary; the text says where it ended and what to do."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """The file that is put through.

    Attributes:
        content: its bytes.
        image: the image that the receipt has to name, by digest.
        must_succeed: whether the application has to succeed on it; else it is enough that it was run for it.
        name: its file name.
        seconds: how long its receipt may take, from the upload on.
    """

    content: bytes
    image: str
    must_succeed: bool
    name: str
    seconds: float


RunnerWord = Literal["Container Apps job", "container group"]


@dataclass(frozen=True, kw_only=True)
class RunnerFacts:
    """What runs workers, as Azure shows it.

    Attributes:
        events: what the platform says of it and its containers, newest first, in a line each.
        kind: what it is: a container group, or a Container Apps job.
        log: the last lines of its worker.
        name: its name.
        state: such as ``Running`` or ``Terminated``; None where there is no such thing.
    """

    events: tuple[str, ...] = ()
    kind: RunnerWord = "container group"
    log: tuple[str, ...] = ()
    name: str
    state: str | None


class CanaryStorage(Storage, Protocol):
    """The application storage account, as the deployer may use it."""

    def digest(self, name: str) -> tuple[int, str] | None:
        """Return the size in bytes and the SHA-256 in hex of a blob's content, or None."""

    def remove(self, prefix: str) -> None:
        """Delete all blobs of the files container whose name starts with ``prefix``."""

    def upload(self, name: str, content: bytes) -> str:
        """Upload a new blob and return its ETag without quotes."""


class Runners(Protocol):
    """The container groups of the stack."""

    def facts(self) -> tuple[RunnerFacts, ...]:
        """Return what Azure says of each."""


@dataclass(kw_only=True)
class Watch:
    """What was seen of a canary on its way; ``problem`` says why its end is a bad one, where it has ended."""

    name: str
    problem: str | None = None
    receipt: Receipt | None = None
    seen: set[Step] = field(default_factory=lambda: {Step.UPLOADED})

    @property
    def furthest(self) -> Step:
        """How far it was seen to come."""
        return [step for step in Step if step in self.seen][-1]


def put_through(
    canary: Canary,
    names: StorageNames,
    storage: CanaryStorage,
    explain: Callable[[Watch], str],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Put a canary through the pipeline and return what came of it, in a sentence.

    Whatever comes of it, the input and its results are removed, and so is what an interrupted deploy left of another.

    Args:
        canary: the file.
        names: the container and paths.
        storage: the account.
        explain: says in words, while everything is still there, where a canary ended that did not come through.
        clock: tells seconds.
        sleep: waits for seconds.

    Raises:
        CanaryError: no receipt came in time, or it is none that a working pipeline writes.
    """
    name = f"{names.canary_path}/{uuid.uuid4()}/{canary.name}"
    with _cleaned(names, storage):
        etag = storage.upload(name, canary.content)
        watch = _wait(canary, etag, Watch(name=name), names, storage, clock, sleep)
        if watch.receipt is not None:
            watch.problem = _wrong(canary, watch.receipt, storage)
        if watch.problem is not None or watch.receipt is None:
            raise CanaryError(explain(watch))
    if watch.receipt.status == "failed":
        return (
            f"The pipeline works, and the application refused the built-in file {canary.name!r} with the exit code "
            f"{watch.receipt.exit_code}. Set verifyFile to a file that it processes."
        )
    return f"The pipeline processed {canary.name!r}."


def _wait(
    canary: Canary,
    etag: str,
    watch: Watch,
    names: StorageNames,
    storage: CanaryStorage,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Watch:
    """Look until there is a receipt of this version, the canary is put aside, or its time is over."""
    end = clock() + canary.seconds
    for poll in itertools.count():
        try:
            watch.receipt = _receipt(watch.name, etag, names, storage)
        except ContractError as error:
            watch.problem = f"Its receipt cannot be read: {error}"
        if watch.receipt is None and watch.problem is None:
            _look(watch, names, storage)
        if watch.receipt is None and watch.problem is None and clock() >= end:
            watch.problem = f"No receipt came within {canary.seconds:g} s."
        if watch.receipt is not None or watch.problem is not None:
            break
        sleep(FIRST_POLL_SECONDS if poll < FIRST_POLLS else POLL_SECONDS)
    return watch


def _look(watch: Watch, names: StorageNames, storage: CanaryStorage) -> None:
    """Note how far the canary is seen to be.

    A message that somebody works on is out of sight, so a step that passes quickly may never be seen; what comes after
    it is.
    """
    sightings, counts = messages(watch.name, storage)
    found = {sighting.queue for sighting in sightings}
    # What is out of sight on the queue of events may be a wake-up of the function, and that of jobs a claimed job.
    looked, total = counts[JOBS_QUEUE]
    if EVENTS_QUEUE in found:
        watch.seen.add(Step.EVENT)
    if JOBS_QUEUE in found or total > looked:
        watch.seen.add(Step.JOB)
    if storage.find(names.log_name(watch.name)) is not None:
        watch.seen.add(Step.WORKER)
    for queue in found & {EVENTS_POISON_QUEUE, JOBS_POISON_QUEUE}:
        watch.seen.add(Step.POISONED)
        watch.problem = f"Its message was put aside in the queue '{queue}'."


def _receipt(name: str, etag: str, names: StorageNames, storage: CanaryStorage) -> Receipt | None:
    blob = storage.find(names.receipt_name(name))
    if blob is None or blob.metadata.get(RECEIPT_ETAG_METADATA) != etag:
        return None
    text = storage.read(blob.name)
    return None if text is None else Receipt.decode(text)


def _wrong(canary: Canary, receipt: Receipt, storage: CanaryStorage) -> str | None:
    """Return what is wrong with a receipt, or None where a working pipeline wrote it."""
    if receipt.image != canary.image:
        return f"Another image than the deployed one, {receipt.image!r}, processed it."
    if receipt.status == "failed":
        if canary.must_succeed or receipt.exit_code is None:
            return f"It failed: {receipt.error}"
        if (receipt.error or "").startswith(EXPORT_PROBLEM):
            # The application took the file, so it is hardly the file's fault.
            return f"It failed: {receipt.error} Is exportConfigFile meant for this application?"
        return None
    sha256 = hashlib.sha256(canary.content).hexdigest()
    if (receipt.input.size, receipt.input.sha256) != (len(canary.content), sha256):
        return "Its receipt has another size or SHA-256 of the input than what was uploaded."
    for output in receipt.outputs:
        if storage.digest(output.name) != (output.size, output.sha256):
            return f"The result {output.name!r} is not what its receipt says."
    return None


@contextmanager
def _cleaned(names: StorageNames, storage: CanaryStorage) -> Iterator[None]:
    """Leave nothing of any canary behind, neither of this one nor of one that was interrupted."""
    output_path = names.output_directory(f"{names.canary_path}/x").rpartition("/")[0]
    prefixes = (f"{names.canary_path}/", f"{output_path}/")
    for prefix in prefixes:
        storage.remove(prefix)
    try:
        yield
    finally:
        for prefix in prefixes:
            storage.remove(prefix)
