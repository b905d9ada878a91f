"""What a person sees of a local run: a live picture on a terminal, a plain log anywhere else."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from infra.local.watching.watcher import Stage, Watcher
from pipeline_app.contract import CANARY_FOLDER
from pipeline_app.printable import printable

FINAL: Final = frozenset({"failed", "succeeded"})
LINES: Final = 8
REFRESH_PER_SECOND: Final = 8
STAGES: Final[tuple[Stage, ...]] = ("uploaded", "event", "job", "processing")
# With fewer columns than these, only where a file is and what became of it is shown.
WIDE: Final = 110


class View(Watcher, Protocol):
    """A watcher that shows what it is told."""

    def say(self, text: str) -> None:
        """Show a line that is not about one part."""

    def shown(self) -> contextlib.AbstractContextManager[None]:
        """Show things while the context lasts."""


class PlainView:
    """Writes each thing as a line with the seconds since the start, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._stream = Lasting(stream)

    def log(self, source: str, text: str) -> None:
        """Write a line of a part."""
        self._write(f"{source}: {text}")

    def made(self, token: str, name: str, seconds: float) -> None:
        """Write that a resource is there."""
        self._write(f"made {short(token)} {name} ({seconds:.1f} s)")

    def say(self, text: str) -> None:
        """Write a line."""
        self._write(text)

    def shown(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing: lines are written as they come."""
        return contextlib.nullcontext()

    def stage(self, file: str, stage: Stage, detail: str = "") -> None:
        """Write how far a file is."""
        if _is_shown(file):
            self._write(f"{file}: {stage}{f' ({detail})' if detail else ''}")

    def warn(self, source: str, text: str) -> None:
        """Write a warning."""
        self._write(f"{source}: WARNING: {text}")

    def _write(self, text: str) -> None:
        line = f"{time.monotonic() - self._start:8.2f}  {printable(text)}\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


@dataclass
class Row:
    """A file's way: when it came to each stage, in monotonic seconds."""

    times: dict[Stage, float] = field(default_factory=dict)
    detail: str = ""


class LiveView:
    """Keeps one picture up to date: what was made, each file's way, and the last lines of the parts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: deque[Text] = deque(maxlen=LINES)
        self._lock = threading.Lock()
        self._made: deque[str] = deque(maxlen=LINES)
        self._made_count = 0
        self._rows: dict[str, Row] = {}
        self._start = time.monotonic()

    def __rich__(self) -> RenderableType:
        """Return the present picture, which fits the terminal as it is now: what does not is counted."""
        # The last line is the cursor's.
        height = max(self._console.height - 1, 4)
        lines = min(LINES, max(height // 4, 1))
        with self._lock:
            parts: list[RenderableType] = []
            if not self._rows and self._made:
                made = [f"  [green]✓[/] {line}" for line in list(self._made)[-max(height - lines - 1, 1) :]]
                parts.append(Text.from_markup(f"[bold]{self._made_count} resources made[/]"))
                parts += [_one_line(Text.from_markup(line)) for line in made]
            if self._rows:
                parts += self._files(height - lines)
            parts += list(self._lines)[-lines:]
            return Group(*parts)

    def log(self, source: str, text: str) -> None:
        """Keep a line for the lower part of the picture."""
        with self._lock:
            # One line is one line here, whatever was written.
            line = _in_a_line(f"{source}  {text}")
            self._lines.append(_one_line(Text(line, style="dim")))

    def made(self, token: str, name: str, seconds: float) -> None:
        """Show a resource."""
        with self._lock:
            self._made_count += 1
            self._made.append(escape(f"{short(token)} {name} ({seconds:.1f} s)"))

    def say(self, text: str) -> None:
        """Write a line above the picture, where it stays."""
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the picture on the screen."""
        with Live(self, console=self._console, refresh_per_second=REFRESH_PER_SECOND, transient=True):
            yield

    def stage(self, file: str, stage: Stage, detail: str = "") -> None:
        """Move a file on; a file that is uploaded again begins anew."""
        if not _is_shown(file):
            return
        with self._lock:
            row = self._rows.get(file)
            if row is None or (stage == "uploaded" and FINAL & set(row.times)):
                self._rows.pop(file, None)
                row = self._rows[file] = Row()
            row.times.setdefault(stage, time.monotonic())
            row.detail = detail or row.detail

    def warn(self, source: str, text: str) -> None:
        """Write a warning above the picture, where it stays."""
        self._console.print(Text(printable(f"{source}  {text}"), style="yellow"), soft_wrap=True)

    def _files(self, height: int) -> list[RenderableType]:
        """Return a line for each of the newest files, the newest last, and before them how many do not fit."""
        rows = list(self._rows.items())
        wide = self._console.width >= WIDE
        room = height - 1
        hidden = rows[: max(len(rows) - room + 1, 0)] if len(rows) > room else []
        # As the table divides what its stages leave: three parts of seven.
        stages = sum(max(len(stage), 8) + 1 for stage in STAGES) if wide else 0
        columns = (self._console.width - stages - 1) * 3 // 7 - 1
        table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
        table.add_column("file", no_wrap=True, overflow="ellipsis", ratio=3)
        for stage in STAGES if wide else ():
            table.add_column(stage, no_wrap=True, width=max(len(stage), 8))
        table.add_column("result", no_wrap=True, overflow="ellipsis", ratio=4)
        for name, row in rows[len(hidden) :]:
            start = min(row.times.values())
            cells = [f"{row.times[stage] - start:.1f} s" if stage in row.times else "" for stage in STAGES]
            result = _result(row)
            colour = {"failed": "red", "succeeded": "green"}.get(result or "", "dim")
            last = next(reversed(row.times))
            end = f"{result} {row.times[result] - start:.1f} s {row.detail}" if result else "…" if wide else f"{last} …"
            table.add_row(
                Text(_end_of(name, columns)),
                *(cells if wide else ()),
                Text(_in_a_line(end), style=colour),
            )
        if not hidden:
            return [table]
        counts = Counter(_result(row) or "under way" for _, row in hidden)
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
        return [_one_line(Text(f"{len(hidden):,} earlier: {told}", style="bold")), table]


def _end_of(name: str, columns: int) -> str:
    """Return as much of a name's end as fits, since that tells files of one folder apart."""
    shown = _in_a_line(name)
    while cell_len(shown) > max(columns, 2):
        shown = f"…{shown.lstrip('…')[1:]}"
    return shown


def _in_a_line(text: str) -> str:
    return printable(text).replace("\n", " ").replace("\t", " ")


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _result(row: Row) -> Stage | None:
    return next((stage for stage in row.times if stage in FINAL), None)


def _is_shown(file: str) -> bool:
    """Tell whether a file is somebody's; what only proves that the pipeline works is not."""
    return CANARY_FOLDER not in file.split("/")


class Lasting:
    """A text stream that takes what it is given also where its terminal is closed or its disk full meanwhile.

    What is shown is no reason to break off what goes on, least of all its taking down.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        """Write what is kept back, if that can be done."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def write(self, text: str) -> int:
        """Write a text, if that can be done."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)


def choose() -> View:
    """Return the view that fits the standard output."""
    if sys.stdout.isatty():
        return LiveView(Console(file=cast(TextIO, Lasting(sys.stdout))))
    return PlainView(sys.stdout)


def short(token: str) -> str:
    """Return what is telling of a type token: ``storage.Queue`` of ``azure-native:storage:Queue``."""
    package, module, name = token.split(":", 2)
    group = package if module.startswith("index/") else module.rpartition("/")[2]
    return f"{group}.{name}"
