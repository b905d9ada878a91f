"""How the sweep and a look at one file's story grow with the number of files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from infra.settings.naming import DEAD_LETTER_CONTAINER
from pipeline_app.contract import EVENTS_POISON_QUEUE, EVENTS_QUEUE, STATE_CONTAINER
from tests.bench.crowd import crowded_storage
from tests.bench.http_calls import Account
from tests.bench.latency import AWAY, AWAY_SECONDS, delayed
from tests.bench.measurement import Result, Row, Samples
from tests.bench.setting import Setting
from tests.bench.storage import NAMES, Storage, input_names
from tests.bench.sweep_run import Done, run

TOPIC: Final = "sweep and status"

FULL_SIZES: Final = (1_000, 10_000, 100_000)
QUICK_SIZES: Final = (20,)
SIZES: Final = (1_000, 10_000)


class Bounds(NamedTuple):
    """At most so many runs of the first pass are made, and so many passes and looks after it."""

    runs: int
    rounds: int


# Azurite takes 6 ms for each look where there are 10,000 files, and 80 ms where there are 100,000. It cannot begin a
# listing at a receipt, so each is looked for, and the first pass over 100,000 files would take two hours.
BOUNDS: Final = Bounds(runs=3, rounds=3)
BOUNDS_OF_MANY: Final = Bounds(runs=1, rounds=2)
MANY: Final = 100_000


class Run(NamedTuple):
    """One run of the sweep, all requests that it made, and the looks for receipts among them."""

    done: Done
    calls: int
    looks: int


def measure(setting: Setting) -> Result:
    """Fill accounts with files that have their receipts, and look at each size."""
    sizes = QUICK_SIZES if setting.quick else FULL_SIZES if setting.full else SIZES
    result = Result()
    if not setting.quick and not setting.full:
        result.skipped.append(
            "100,000 files take the emulator some minutes to look through; --full measures them, too."
        )
    folder = setting.place("sweeps")
    for size in sizes:
        setting.say(f"{TOPIC}: {size:,} files")
        names = input_names(size)
        with crowded_storage(folder / f"storage-{size}", names, prepare) as storage:
            # The storage tells times in whole seconds, and the sweep leaves files alone for a second.
            time.sleep(1)
            result.rows += rows(setting, storage, storage.account, names)
            if size == sizes[0]:
                with delayed(storage.account, AWAY_SECONDS) as far:
                    run(storage.account, NAMES, "restart")
                    result.rows += rows(setting, storage, far, names, AWAY)
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


def rows(setting: Setting, storage: Storage, account: Account, names: list[str], where: str = "") -> list[Row]:
    """Measure the sweeps of one account, all of whose inputs have their receipts, and looks at one of its files.

    ``account`` is how they reach the storage, and ``where`` goes into the names of the measures.

    Raises:
        RuntimeError: a sweep looked for what it should not look for, or did not look for what it should.
    """
    bounds = BOUNDS_OF_MANY if len(names) >= MANY else BOUNDS
    first = list(islice(_pass(storage, account), bounds.runs))
    looks = max(each.looks for each in first)
    if not looks:
        raise RuntimeError(f"The first sweep over {len(names):,} files that are old enough looked for no receipt.")
    if not first[-1].done.ended:
        run(account, NAMES, "settle")
    settled: list[Run] = []
    explained: list[float] = []
    explained_calls: list[int] = []
    for _ in range(min(setting.rounds, bounds.rounds)):
        for each in _pass(storage, account):
            if each.looks:
                raise RuntimeError(f"A sweep looked for {each.looks:,} receipts although it should know of them all.")
            settled.append(each)
        storage.forget()
        explained.append(run(account, NAMES, "explain", names[len(names) // 2]).seconds)
        explained_calls.append(len(storage.seen()))

    def row(measure: str, seconds: list[float], note: str) -> Row:
        ours = Samples(tuple(seconds))
        return Row(measure=f"{measure}, {len(names):,} files{where}", note=note, ours=ours, topic=TOPIC, unit="s")

    return [
        row(
            "a sweep of the first pass",
            [each.done.seconds for each in first],
            f"{_most(first)}, {len(first)} of {math.ceil(len(names) / looks)} runs of the pass",
        ),
        row(
            "a sweep with everything settled",
            [each.done.seconds for each in settled],
            f"{_most(settled)}, {len(settled) // len(explained)} runs for a pass",
        ),
        row(
            "processor time of a sweep with everything settled",
            [each.done.processor for each in settled],
            "the sweep's process alone, without the storage and without imports",
        ),
        row("explain", explained, f"{max(explained_calls):,} calls at most"),
    ]


def _pass(storage: Storage, account: Account) -> Iterator[Run]:
    """Run the sweep until its pass over the inputs ends."""
    ended = False
    while not ended:
        storage.forget()
        done = run(account, NAMES, "sweep")
        seen = storage.seen()
        looks = sum(each.access.method == "HEAD" for each in seen)
        # The very last is a look of the benchmark's own at what the sweep remembers.
        yield Run(done=done, calls=len(seen) - 1, looks=looks)
        ended = done.ended


def _most(runs: list[Run]) -> str:
    return f"{max(each.calls for each in runs):,} calls at most"
