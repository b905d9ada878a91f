"""The keepers of a worker's slots, each with the folders that its applications run in."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pipeline_app.contract.log_lines import tell
from pipeline_app.contract.worker_events import Confined, Unconfined
from pipeline_app.worker.confinement import filters, landlock
from pipeline_app.worker.confinement.rights import ENDPOINTS, Rights, rights
from pipeline_app.worker.process import Keeper
from pipeline_app.worker.scratch import is_folder, remove
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.stage import Stage

_log = logging.getLogger(__name__)


class NotConfined(Exception):
    """This machine cannot confine applications, and they are not to run otherwise; the text says so in sentences."""


@dataclass(frozen=True)
class Place:
    """Where one application at a time runs."""

    keeper: Keeper
    stage: Stage


class Keepers:
    """As many places as there are slots; safe to use from several threads.

    Args:
        settings: what applications may do, and how many run side by side.
        scratch: the worker's folder, in which each place has one.

    Raises:
        NotConfined: it is required that they are confined, and the kernel cannot or does not.
        OSError: a keeper cannot be started.
    """

    def __init__(self, settings: WorkerSettings, scratch: Path) -> None:
        found = landlock.version()
        can = found >= landlock.LEAST_VERSION
        lacks = None if can else "has no Landlock, or the container's runtime does not let it be used"
        self._free: list[Place] = []
        self._resources = ExitStack()
        with ExitStack() as resources:
            for _ in range(settings.slots):
                # Modes are what the kernel lets an application change wherever a file lies, so that no name should be
                # known to those of other slots.
                stage = Stage(scratch / f"slot-{secrets.token_hex(8)}")
                keeper = resources.enter_context(Keeper(_rights(settings, stage) if can else None))
                self._free.append(Place(keeper, stage))
            if settings.require_confinement:
                problems = [place.keeper.problem for place in self._free if can and not place.keeper.confines]
                lacks = lacks or (f"refuses: {problems[0]}" if problems else None)
                if lacks:
                    raise NotConfined(_required(lacks))
            self._resources = resources.pop_all()
        self._cleared = settings.cleared
        self._lock = threading.Lock()
        self._required = settings.require_confinement
        self._slots = settings.slots
        self._told = False
        if lacks:
            self._tell(lacks)
        else:
            tell(_log, Confined(kept=", ".join(_kept(found, settings))))

    def __enter__(self) -> Keepers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Have a place for one application while the context lasts; there are as many as slots.

        Raises:
            NotConfined: as at the beginning.
        """
        with self._lock:
            place = self._free.pop()
        try:
            if (problem := place.keeper.problem) is not None:
                self._tell(f"refuses: {problem}")
                if self._required:
                    raise NotConfined(_required(f"refuses: {problem}"))
            yield place
        finally:
            with self._lock:
                self._free.append(place)
                # What lies there may be of an application that still runs in another slot.
                for folder in self._cleared if len(self._free) == self._slots else ():
                    _clear(folder)

    def _tell(self, lacks: str) -> None:
        """Say once that applications are not confined, and why."""
        if not self._told:
            self._told = True
            tell(_log, Unconfined(kernel=os.uname().release, lacks=lacks))


def _clear(folder: Path) -> None:
    """Remove what applications left in a folder, which the next one would find."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.lstat().st_uid != os.getuid():
            continue
        if is_folder(path):
            remove(path)
        else:
            path.unlink()


def _rights(settings: WorkerSettings, stage: Stage) -> Rights:
    hidden = [settings.scratch]
    if settings.log_file is not None:
        # It names other files, and so do its rotated siblings in a folder of theirs.
        folder = settings.log_file.parent
        hidden.append(folder if settings.share in folder.parents else settings.log_file)
    return rights(
        endpoints=[os.environ[name] for name in ENDPOINTS if os.environ.get(name)],
        hidden=hidden,
        input_folder=stage.input,
        network=settings.network,
        readable=settings.readable,
        share=settings.share,
        work_folder=stage.work,
        writable=settings.writable,
    )


def _kept(found: int, settings: WorkerSettings) -> Sequence[str]:
    """Return what a version of Landlock keeps from applications, and what it cannot."""
    files = "files" if found >= landlock.EMPTYING_VERSION else "files (emptying them not, which Linux 6.2 can)"
    parts = [f"Landlock {found}", files]
    network = f"network {settings.network}"
    if found < landlock.PORTS_VERSION:
        network = f"not {network}, which Linux 6.7 can"
    elif not filters.available():
        network = f"{network} but for Multipath TCP and Fast Open, since no system calls can be filtered"
    if settings.network != "full":
        parts.append(network)
    parts.append("signals" if found >= landlock.SIGNALS_VERSION else "not signals, which Linux 6.12 can")
    return parts


def _required(lacks: str) -> str:
    return (
        f"The kernel {os.uname().release} {lacks}, and requireConfinement (APP_REQUIRE_CONFINEMENT) is set. No file is "
        "processed here. Run the pipeline on a newer kernel, or do without the containment of applications: "
        "pulumi config set requireConfinement false."
    )
