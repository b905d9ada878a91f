"""How the sweep and a look at one file's story grow with the number of files."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from infra.naming import DEAD_LETTER_CONTAINER
from pipeline_app.contract import (
    EVENTS_POISON_QUEUE,
    EVENTS_QUEUE,
    RECEIPT_ETAG_METADATA,
    RECEIPT_STATUS_METADATA,
    STATE_CONTAINER,
    InputVersion,
    Receipt,
    now,
    plain_etag,
)
from tests.bench.http_calls import Connection
from tests.bench.measurement import Result, Row, Samples
from tests.bench.setting import Setting
from tests.bench.storage import CONTAINER, NAMES, Storage, input_names, running_storage
from tests.bench.sweep_run import run

TOPIC: Final = "sweep and status"

CONTENT: Final = b"x" * 100
FULL_SIZES: Final = (1_000, 10_000, 100_000)
# Azurite takes seconds for each page of a listing where there are many blobs.
MOST_ROUNDS: Final = 3
QUICK_SIZES: Final = (20,)
SIZES: Final = (1_000, 10_000)


def measure(setting: Setting) -> Result:
    """Fill accounts with files that have their receipts, and look at each size."""
    sizes = QUICK_SIZES if setting.quick else FULL_SIZES if setting.full else SIZES
    result = Result()
    if not setting.quick and not setting.full:
        result.skipped.append("100,000 files take many minutes to put up; --full measures them, too.")
    folder = setting.place("sweeps")
    for size in sizes:
        setting.say(f"{TOPIC}: {size:,} files")
        with running_storage(folder / f"storage-{size}") as storage:
            prepare(storage)
            names = input_names(size)
            storage.each(names, _put)
            # The storage tells times in whole seconds, and the sweep leaves the youngest files alone.
            time.sleep(3)
            result.rows += _rows(setting, storage, names)
    return result


def prepare(storage: Storage) -> None:
    """Make everything that the stack makes in its storage account."""
    storage.begin()
    blobs, queues = storage.blobs(), storage.queues()
    for container in (DEAD_LETTER_CONTAINER, STATE_CONTAINER):
        blobs.must("PUT", container, {"restype": "container"})
    for queue in (EVENTS_POISON_QUEUE, EVENTS_QUEUE):
        queues.must("PUT", queue)
    blobs.close()
    queues.close()


def _rows(setting: Setting, storage: Storage, names: list[str]) -> list[Row]:
    first, first_calls = [], []
    ended = False
    while not ended:
        storage.forget()
        done = run(storage.account, NAMES, "sweep")
        first.append(done.seconds)
        first_calls.append(_calls(storage))
        ended = done.ended
    settled, settled_calls, explained, explained_calls = [], [], [], []
    for _ in range(min(setting.rounds, MOST_ROUNDS)):
        ended = False
        while not ended:
            storage.forget()
            done = run(storage.account, NAMES, "sweep")
            settled.append(done.seconds)
            settled_calls.append(_calls(storage))
            ended = done.ended
        storage.forget()
        explained.append(run(storage.account, NAMES, "explain", names[len(names) // 2]).seconds)
        explained_calls.append(len(storage.seen()))

    def row(measure: str, seconds: list[float], calls: list[int], note: str) -> Row:
        return Row(
            measure=f"{measure}, {len(names):,} files",
            note=f"{max(calls):,} calls at most{note}",
            ours=Samples(tuple(seconds)),
            topic=TOPIC,
            unit="s",
        )

    return [
        row("a sweep of the first pass", first, first_calls, f", {len(first)} runs for the pass"),
        row("a sweep with everything settled", settled, settled_calls, ""),
        row("explain", explained, explained_calls, ""),
    ]


def _calls(storage: Storage) -> int:
    # The very last is a look of the benchmark's own at what the sweep remembers.
    return len(storage.seen()) - 1


def _put(connection: Connection, name: str) -> None:
    headers = {"x-ms-blob-type": "BlockBlob"}
    answer = connection.must("PUT", f"{CONTAINER}/{name}", headers=headers, body=CONTENT)
    etag = plain_etag(answer.headers["etag"])
    receipt = Receipt(
        attempt=1,
        config_sha256="",
        error=None,
        event_id="bench",
        exit_code=0,
        finished_at=now(),
        image="",
        input=InputVersion(etag=etag, name=name, sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT)),
        outputs=(),
        queued_at=now(),
        release="",
        started_at=now(),
        status="succeeded",
    )
    metadata = {f"x-ms-meta-{RECEIPT_ETAG_METADATA}": etag, f"x-ms-meta-{RECEIPT_STATUS_METADATA}": "succeeded"}
    connection.must(
        "PUT",
        f"{CONTAINER}/{NAMES.receipt_name(name)}",
        headers={**headers, **metadata},
        body=receipt.encode().encode(),
    )
