"""Invariants of publishing, under the interleavings of attempts that the seeds reach, with crashes and lost answers."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline_app.contract import InputVersion, OutputFile, Receipt, now
from pipeline_app.worker import commit
from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.publication import InputChanged, Publication
from pipeline_app.worker.results import NameClash
from pipeline_app.worker.storage import BlobInfo, ClaimLost
from pipeline_app.worker.working import WorkedOn, WorkingMark
from tests.memory.requests import Asked
from tests.memory.worker import MemoryStore

DIRECTORY = "outgoing/a.csv"
INPUT = "incoming/a.csv"


class Killed(BaseException):
    """The worker was killed at this very call."""


def make_files(folder: Path, contents: Mapping[str, bytes]) -> list[LocalFile]:
    files = []
    for name, data in contents.items():
        path = folder / name
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        files.append(LocalFile(name=name, path=path, pieces=(sha256,), sha256=sha256, size=len(data)))
    return files


def make_receipt(etag: str, files: list[LocalFile], error: str | None = None) -> Receipt:
    return Receipt(
        attempt=1,
        config_sha256="",
        error=error,
        event_id="e",
        exit_code=0,
        finished_at=now(),
        image="i",
        input=InputVersion(etag=etag, name=INPUT, sha256="", size=1),
        outputs=tuple(OutputFile(name=f"{DIRECTORY}/{f.name}", sha256=f.sha256, size=f.size) for f in files),
        queued_at=now(),
        release="r",
        started_at=now(),
        status="failed" if error else "succeeded",
    )


def make_mark(store: Any, etag: str, message: str, **own: str) -> WorkingMark:
    publication = Publication(directory=DIRECTORY, input_etag=etag, input_name=INPUT, store=store, **own)
    return WorkingMark(claim_seconds=60, message_id=message, publication=publication)


def publish(
    store: Any,
    folder: Path,
    etag: str,
    contents: Mapping[str, bytes],
    *,
    mark: WorkingMark | None = None,
    number: int = 1,
) -> bool | None:
    """Do what JobProcessor does around a publication; None means that the version was done already."""
    folder.mkdir(exist_ok=True)
    publication = mark.publication if mark else make_mark(store, etag, "m").publication
    receipt = publication.find_receipt()
    first = number == 1 and receipt is None
    if not first:
        there, receipt = publication.finish_earlier()
        if mark:
            mark.respect(there)
    if publication.is_done(receipt):
        return None
    if mark:
        mark.renew()
        first = first and not mark.written
    files = make_files(folder, contents)
    log = folder / "run.log"
    log.write_bytes(b"what the application printed\n")
    return commit.publish(publication, make_receipt(etag, files), files, log, first=first)


def visible(store: MemoryStore) -> Receipt | None:
    """Return the receipt that anyone would see now, having checked it against the results that are there."""
    if f"{DIRECTORY}/receipt.json" not in store.blobs:
        return None
    receipt = Receipt.decode(store.content(f"{DIRECTORY}/receipt.json").decode())
    for output in receipt.outputs:
        data = store.content(output.name)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output.size, output.sha256), f"torn: {output.name}"
    return receipt


def test_no_metadata_value_is_empty(tmp_path: Path) -> None:
    store = MemoryStore()
    etag = store.upload(INPUT, b"1")
    # The receipt of another writer says nothing of its attempt, and is withdrawn before the results are replaced.
    files = make_files(tmp_path, {"old": b"old"})
    store.upload(f"{DIRECTORY}/receipt.json", make_receipt("0x0", files).encode().encode())
    assert publish(store, tmp_path / "take-over", etag, {"x": b"1"}) is True
    other = MemoryStore()
    assert publish(other, tmp_path / "first", other.upload(INPUT, b"1"), {"x": b"1"}) is True
    for blob in (*store.list("outgoing/"), *other.list("outgoing/")):
        assert blob.metadata
        assert "" not in blob.metadata.values()


def results(store: MemoryStore) -> set[str]:
    return {name.removeprefix(f"{DIRECTORY}/") for name in store.blobs if name.startswith(DIRECTORY)}


def test_first_attempt_publishes_results_log_and_receipt_in_this_order(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    asked: list[Asked] = []
    store.account.before = asked.append
    assert publish(store, tmp_path / "1", v1, {"x": b"1", "y": b"2"}) is True
    written = [each.path.partition("/")[2] for each in asked if each.method == "PUT"]
    assert written == [f"{DIRECTORY}/{name}" for name in ("x", "y", "run.log", "receipt.json")]
    assert store.content(f"{DIRECTORY}/run.log").startswith(b"what the application printed\n")
    receipt = visible(store)
    assert receipt is not None
    assert receipt.status == "succeeded"


def test_repeated_job_of_the_same_version_changes_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"x": b"1"})
    before = dict(store.blobs)
    assert publish(store, tmp_path / "2", v1, {"x": b"other"}) is None
    assert store.blobs == before


def test_new_version_replaces_receipt_and_removes_what_only_the_old_one_had(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"only-old": b"1", "x": b"old"})
    v2 = store.upload(INPUT, b"2")
    assert publish(store, tmp_path / "2", v2, {"x": b"new"}) is True
    assert results(store) == {"x", "run.log", "receipt.json"}
    receipt = visible(store)
    assert receipt is not None
    assert (receipt.input.etag, receipt.status) == (v2, "succeeded")


def test_new_version_keeps_results_of_inputs_named_below_its_folder(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    publish(store, tmp_path / "1", v1, {"x": b"old"})
    deeper = f"{DIRECTORY}/b.csv/x"
    store.put_bytes(deeper, b"of incoming/a.csv/b.csv", expected=None, metadata={"owner": "other", "sha256": "s"})
    v2 = store.upload(INPUT, b"2")
    publish(store, tmp_path / "2", v2, {"x": b"new"})
    assert store.content(deeper) == b"of incoming/a.csv/b.csv"


def test_result_of_another_input_is_never_overwritten(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    store.put_bytes(f"{DIRECTORY}/x", b"theirs", expected=None, metadata={"owner": "other", "sha256": "s"})
    with pytest.raises(NameClash, match="belongs to another input"):
        publish(store, tmp_path / "1", v1, {"x": b"mine"})
    assert store.content(f"{DIRECTORY}/x") == b"theirs"


def test_slow_attempt_of_an_old_version_never_replaces_newer_results(tmp_path: Path) -> None:
    store = MemoryStore()
    v1 = store.upload(INPUT, b"1")
    v2 = store.upload(INPUT, b"2")
    publish(store, tmp_path / "1", v2, {"x": b"new"})
    before = dict(store.blobs)
    with pytest.raises(InputChanged):
        publish(store, tmp_path / "2", v1, {"x": b"old"})
    assert store.blobs == before


class MeddledStore(MemoryStore):
    """Runs ``meddle`` right after a look at the receipt and checks what is visible after each write of a result."""

    meddle: Callable[[], object] | None = None

    def head(self, name: str) -> BlobInfo | None:
        info = super().head(name)
        if name.endswith("/receipt.json") and self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()
        return info

    def put_file(self, name: str, path: Path, **kwargs: Any) -> str:
        etag = super().put_file(name, path, **kwargs)
        visible(self)
        return etag


def test_a_receipt_written_after_it_was_looked_for_is_withdrawn_before_results_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MeddledStore()
    v1, v2 = store.upload(INPUT, b"1"), store.upload(INPUT, b"2")

    def meddle() -> None:
        # A late attempt of the old version is published, and one of the new version is killed after its claim.
        publish(store, tmp_path / "late", v1, {"x": b"old"})
        with monkeypatch.context() as killing:
            killing.setattr(commit, "_withdraw", lambda publication, receipt: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                publish(store, tmp_path / "killed", v2, {"x": b"never"})

    publication = Publication(directory=DIRECTORY, input_etag=v2, input_name=INPUT, store=store)
    files = make_files(tmp_path, {"x": b"new"})
    (tmp_path / "run.log").touch()
    store.meddle = meddle
    assert commit.publish(publication, make_receipt(v2, files), files, tmp_path / "run.log", first=False) is True
    receipt = visible(store)
    assert receipt is not None
    assert receipt.input.etag == v2


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
