"""The worker's own code up to its next request, given the answers to those before.

What an attempt does depends on the answers that it got and on nothing else. So it needs no thread that waits: it is run
from its beginning each time, with the answers that are known, and broken off at the first request without one. Each
point that an attempt can be at is reached once, and looked up from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline_app.worker.application import RunResult
from pipeline_app.worker.attempt import Fetched, Processed
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.storage import BlobInfo, Message
from tests.interleavings.storage import Answer, Call, Queued
from tests.worker.world import process

MOMENT: Final = "2026-01-01T00:00:00.000Z"


class _Asks(BaseException):
    """The attempt makes a request that has no answer yet."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.call = call


@dataclass(eq=False)
class Point:
    """A point that an attempt is at: ``call`` is its next request, or ``end`` says how it ended."""

    number: int
    message: Queued
    answers: tuple[Answer, ...]
    call: Call | None
    end: str
    later: dict[str, Point] = field(default_factory=dict)


class Attempts:
    """Runs attempts of a worker whose application takes long enough to be marked if ``long``."""

    def __init__(self, settings: WorkerSettings, scratch: Path, *, long: bool) -> None:
        self.runs = 0
        self._begun: dict[tuple[int, Queued], Point] = {}
        self._long = long
        self._scratch = scratch
        self._settings = settings

    def begin(self, number: int, message: Queued) -> Point:
        """Return where an attempt is that has just received a message."""
        key = (number, message)
        if key not in self._begun:
            self._begun[key] = self._run(number, message, ())
        return self._begun[key]

    def go_on(self, point: Point, answer: Answer) -> Point:
        """Return where an attempt is once its request was answered."""
        key = repr(answer)
        if key not in point.later:
            point.later[key] = self._run(point.number, point.message, (*point.answers, answer))
        return point.later[key]

    def _run(self, number: int, message: Queued, answers: tuple[Answer, ...]) -> Point:
        self.runs += 1
        asking = _Asking(answers)
        processor = _Processor(self._settings, asking, self._scratch, number, long=self._long)
        received = Message(
            content=message.content, dequeue_count=message.dequeue_count, id=message.id, pop_receipt=str(message.pop)
        )
        call, end = None, ""
        try:
            end = process(processor, received).outcome.value
        except _Asks as asks:
            call = asks.call
        return Point(answers=answers, call=call, end=end, message=message, number=number)


class _Asking:
    """Follows the protocols BlobStore and JobQueue with answers that are known."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = iter(answers)

    def head(self, name: str) -> BlobInfo | None:
        found: BlobInfo | None = self._ask(Call("head", name))
        return found

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        yield from self._ask(Call("list", prefix))

    def download(self, name: str, path: Path, limit: int | None = None) -> BlobInfo:
        info, data = self._ask(Call("download", name))
        path.write_bytes(data)
        assert isinstance(info, BlobInfo)
        return info

    def read(self, name: str, etag: str, offset: int, length: int) -> bytes:
        return bytes(self._ask(Call("read", name, (etag, offset, length))))

    def put_bytes(self, name: str, data: bytes, *, expected: str | None, metadata: Mapping[str, str]) -> str:
        return str(self._ask(Call("put", name, (expected, data, tuple(sorted(metadata.items()))))))

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        expected: str | None,
        metadata: Mapping[str, str],
        writer: str,
        pieces: Sequence[str] | None = None,
    ) -> str:
        return self.put_bytes(name, path.read_bytes(), expected=expected, metadata=metadata)

    def delete(self, name: str | Message, expected: str = "") -> None:
        if isinstance(name, Message):
            self._of_queue("drop", name)
        else:
            self._ask(Call("delete", name, (expected,)))

    def is_transient(self, error: Exception) -> bool:
        return False

    def receive(self, claim_seconds: int) -> Message | None:
        raise AssertionError("An attempt has its message.")

    def is_empty(self) -> bool:
        raise AssertionError("An attempt does not look at the queue.")

    def renew(self, message: Message, claim_seconds: int, content: str | None = None) -> None:
        message.pop_receipt = str(self._of_queue("renew", message, content))

    def give_back(self, message: Message, content: str, delay_seconds: float) -> None:
        self._of_queue("give back", message, content)

    def bury(self, message: Message) -> None:
        self._of_queue("bury", message)

    def _of_queue(self, method: str, message: Message, content: str | None = None) -> Any:
        return self._ask(Call(method, message.id, (int(message.pop_receipt), content)))

    def _ask(self, call: Call) -> Any:
        answer = next(self._answers, None)
        if answer is None:
            raise _Asks(call)
        return answer.give()


class _Processor(JobProcessor):
    """The worker's stages with an application whose results say of which version and attempt they are."""

    def __init__(self, settings: WorkerSettings, asking: _Asking, scratch: Path, number: int, *, long: bool) -> None:
        unused: Any = None
        super().__init__(settings, asking, asking, scratch, lambda: False, unused)
        self._long = long
        self._number = number

    def _fetch(self, claimed: Any) -> Fetched | Processed:
        fetched = super()._fetch(claimed)
        if isinstance(fetched, Fetched):
            # The same attempt is the same each time that it is run.
            object.__setattr__(fetched.publication, "id", f"attempt-{self._number}")
            fetched.mark.started_at = MOMENT
        return fetched

    def _apply(self, fetched: Fetched) -> tuple[RunResult, int]:
        if self._long:
            fetched.mark.renew()
        for name in fetched.input_file.read_text().split():
            result = fetched.scratch / "work" / "output" / name
            result.write_text(f"{name} of version {fetched.version.etag} by attempt {self._number}")
        return RunResult(config_sha256="", confined=True, error=None, exit_code=0), 0
