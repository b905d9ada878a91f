"""Invariants of publishing, under the interleavings of attempts that the seeds reach, with crashes and lost answers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_app.worker.publication import InputChanged
from pipeline_app.worker.storage import BlobInfo, ClaimLost
from pipeline_app.worker.working import WorkedOn
from tests.memory.worker import MemoryStore
from tests.worker.publishing import INPUT, Killed, make_mark, publish, visible


class SteppedStore:
    """Lets a scheduler decide when each call of one attempt happens, and whether the attempt survives it."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._go = threading.Semaphore(0)
        self._fate = "live"
        self.waiting = threading.Event()

    def step(self, fate: str) -> None:
        """Let the next call happen: ``live``, ``kill before``, ``kill after`` or ``repeat`` (its answer got lost)."""
        self.waiting.clear()
        self._fate = fate
        self._go.release()

    def _call(self, call: Callable[[], Any]) -> Any:
        self.waiting.set()
        self._go.acquire()
        if self._fate == "kill before":
            raise Killed
        result = call()
        if self._fate == "kill after":
            raise Killed
        return call() if self._fate == "repeat" else result

    def head(self, name: str) -> BlobInfo | None:
        return self._call(lambda: self._store.head(name))  # type: ignore[no-any-return]

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        yield from self._call(lambda: list(self._store.list(prefix)))

    def read(self, *args: Any) -> bytes:
        return self._call(lambda: self._store.read(*args))  # type: ignore[no-any-return]

    def put_bytes(self, *args: Any, **kwargs: Any) -> str:
        return self._call(lambda: self._store.put_bytes(*args, **kwargs))  # type: ignore[no-any-return]

    def put_file(self, *args: Any, **kwargs: Any) -> str:
        return self._call(lambda: self._store.put_file(*args, **kwargs))  # type: ignore[no-any-return]

    def delete(self, *args: Any) -> None:
        self._call(lambda: self._store.delete(*args))


class Runner:
    """One attempt in a thread of its own, moved by the scheduler."""

    def __init__(self, store: MemoryStore, run: Callable[[Any], object]) -> None:
        self.stepped = SteppedStore(store)
        self.error: BaseException | None = None
        self.ended = False
        self._run = run
        self._thread = threading.Thread(target=self._body, daemon=True)
        self._thread.start()
        self.stepped.waiting.wait(10)

    def _body(self) -> None:
        try:
            self._run(self.stepped)
        except (ClaimLost, InputChanged, Killed, WorkedOn):
            pass
        except BaseException as error:
            self.error = error
        self.ended = True
        self.stepped.waiting.set()

    def step(self, fate: str) -> None:
        self.stepped.step(fate)
        assert self.stepped.waiting.wait(10), "The attempt hangs."
        if self.error:
            raise self.error


@pytest.mark.parametrize("seed", range(400))
def test_no_interleaving_of_attempts_tears_a_receipt_or_loses_a_version(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 -- repeatable, not secret.
    store = MemoryStore()
    version = store.upload(INPUT, b"1")
    overwritten = False

    def attempt(index: int) -> Callable[[Any], object]:
        # Results differ from attempt to attempt in content and partly in name, as a careless application's would.
        names = chance.sample(["x", "y", "z"], chance.randint(0, 3))
        contents = {name: f"{name} of attempt {index}".encode() for name in names}
        etag, number = version, chance.randint(1, 2)
        marks, message, own = chance.random() < 0.5, f"m{chance.randint(1, 2)}", {"id": f"{index:032}"}

        def run(stepped: SteppedStore) -> None:
            mark = make_mark(stepped, etag, message, **own) if marks else None
            publish(stepped, tmp_path / str(index), etag, contents, mark=mark, number=number)
            # Its message is deleted now, so its version must have a receipt or be overwritten.
            receipt = visible(store)
            assert etag != version or (receipt is not None and receipt.input.etag == etag), "lost"

        if marks:
            # A renewal of the mark that is under way goes on while the results are published, and after.
            runners.append(Runner(store, lambda stepped: make_mark(stepped, etag, message, **own).renew()))
        return run

    runners: list[Runner] = []
    runners += [Runner(store, attempt(index)) for index in range(chance.randint(2, 3))]
    index = 3
    while live := [runner for runner in runners if not runner.ended]:
        chance.choice(live).step(
            chance.choices(["live", "kill before", "kill after", "repeat"], [90, 2, 2, 6])[0],
        )
        visible(store)
        if not overwritten and chance.random() < 0.02:
            version, overwritten = store.upload(INPUT, b"2"), True
        if index < 6 and chance.random() < 0.08:
            runners.append(Runner(store, attempt(index)))
            index += 1

    # Messages of lost attempts come back, so in the end one attempt runs undisturbed on the newest version.
    publish(store, tmp_path / "last", version, {"x": b"last"}, number=2)
    receipt = visible(store)
    assert receipt is not None
    assert receipt.input.etag == version
    assert receipt.status == "succeeded"
