"""How long this worker lives, and what it may still begin.

An execution of a Container Apps job is ended at its replica timeout, whatever it does. A worker that knows of its end
begins nothing that cannot come to its own before, and ends by itself once nothing can. A file that was cut all the same
is tried again by a worker with more time, until a whole life was not enough for it.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline_app.contract import MAX_NATURAL, FileJob, least_replica_timeout, margin_seconds, usable_seconds
from pipeline_app.contract.end_events import WorkerDrains
from pipeline_app.contract.log_lines import tell
from pipeline_app.worker.attempt import Claimed, Fetched
from pipeline_app.worker.outside import OUTSIDE, Outside

# Where no config bounds the application and none has run here, nobody knows what a file needs; half of a life is then
# the least that it is given.
BLIND_SHARE = 0.5
# Cut so often with nothing before it, a file is not cut by chance. It happens where the platform's clock began long
# before the worker's did, as it does while the image is pulled.
MAX_CUTS = 5
# So much more than it was given before, as a share of a life, a file that was cut gets, or trying it again is in vain.
MORE_SHARE = 0.02
# A life is whole until so much of it has passed since the worker began to look for work: how long it took to get there
# is the same for all.
WHOLE_SHARE = 0.05

_log = logging.getLogger(__name__)


class Lifetime:
    """The life of one worker; safe to use from several threads.

    Args:
        seconds: after so many seconds its process is ended; 0 where nothing ends it.
        age: how many of them have passed, in seconds.
        bound: says how long the application may take by its configs, in seconds, or None.
        outside: has the time.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        *,
        age: float = 0.0,
        bound: Callable[[], float | None] = lambda: None,
        outside: Outside = OUTSIDE,
    ) -> None:
        self._bound = bound
        self._bound_seconds: float | None = None
        self._draining = False
        self._lock = threading.Lock()
        self._longest: float | None = None
        self._met: set[str] = set()
        self._outside = outside
        self._ready = outside.monotonic()
        self._seconds = seconds or math.inf
        self._ends = self._ready - age + self._seconds
        if self.limited:
            self._bound_seconds = bound()

    @property
    def limited(self) -> bool:
        """Whether anything ends this worker."""
        return self._seconds < math.inf

    @property
    def spare(self) -> float:
        """In how many seconds nothing could be begun any more, as far as is known what a file needs."""
        return self._left() - self._need()

    def whole(self, *, first: bool) -> bool:
        """Tell whether next to all of this life is left for what a slot begins now, its first thing or not."""
        return first and self.limited and self._outside.monotonic() - self._ready <= WHOLE_SHARE * self._seconds

    def allows(self, *, ahead: bool = False, first: bool) -> bool:
        """Tell whether a slot may claim a message, to work on it now or, ``ahead``, after what it works on."""
        if not self.limited or self.whole(first=first):
            return True
        need = self._need()
        if self._draining or self._left() < need:
            self._drain(need)
            return False
        # What runs before it may take as long as any.
        return not ahead or self._left() >= 2 * need

    def fits(self, claimed: Claimed) -> bool:
        """Tell whether a job can still be begun, now that it is known which one it is.

        Once one that needs more comes a second time, there is little else to do, and this worker is to make room for
        one with its life before it.
        """
        # What is too long for every worker gets its receipt from this one, which takes no time.
        if not self.limited or claimed.whole or self.verdict(claimed.job):
            return True
        if isinstance(claimed, Fetched):
            self._bound_seconds = self._bound()
        need = self._need()
        if before := claimed.job.cut_milliseconds / 1000:
            done = claimed.fetch_seconds if isinstance(claimed, Fetched) else 0.0
            need = max(need, before + MORE_SHARE * self._seconds - done)
        if self._left() >= need:
            return True
        with self._lock:
            again = claimed.claim.message_id in self._met
            self._met.add(claimed.claim.message_id)
        if again:
            self._drain(None)
        return False

    def note(self, seconds: float) -> None:
        """Take note of how long a file took, from its download on."""
        with self._lock:
            self._longest = max(seconds, self._longest or 0.0)

    def cut(self, job: FileJob, seconds: float, *, whole: bool) -> FileJob:
        """Return what the message of a file says that this worker's end cut, so many seconds after its download began.

        A file whose worker was ended long before its time, as by a deploy, is not taken for one that is too long.
        """
        if not self.limited:
            return job
        left, cuts = self._ends - self._outside.monotonic(), job.cuts
        # Of a life that was half over before it began to look for work, no file had the whole.
        if whole and left <= MORE_SHARE * self._seconds and seconds >= BLIND_SHARE * self._seconds:
            seconds = max(seconds, self._seconds)
        elif whole and left <= BLIND_SHARE * self._seconds:
            cuts += 1
        milliseconds = min(max(job.cut_milliseconds, math.ceil(seconds * 1000)), MAX_NATURAL)
        return replace(job, cut_milliseconds=milliseconds, cuts=cuts)

    def verdict(self, job: FileJob) -> str | None:
        """Return why no worker that lives as long as this one can process a file, in sentences, or None."""
        if not self.limited:
            return None
        bound, before = self._bound_seconds, job.cut_milliseconds / 1000
        elsewhere = "or set runner to containerInstances, which ends no worker. Then 'retry' the file."
        if bound is not None and self._too_long():
            return (
                f"The timeout_seconds of the configs come to {bound:g} seconds, and of the {self._seconds:g} that a "
                f"worker lives (replicaTimeoutSeconds) a file has {usable_seconds(self._seconds):g}. Raise "
                f"replicaTimeoutSeconds to {least_replica_timeout(bound)}, lower timeout_seconds, {elsewhere}"
            )
        if before >= self._seconds:
            return (
                f"The application had not come to its end within {before:g} seconds, and no worker lives longer than "
                f"{self._seconds:g} (replicaTimeoutSeconds). Raise replicaTimeoutSeconds, {elsewhere}"
            )
        if job.cuts >= MAX_CUTS:
            return (
                f"The application had not come to its end in {job.cuts} workers, each of which began with it and was "
                f"ended before its {self._seconds:g} seconds (replicaTimeoutSeconds) were over, at the latest when it "
                f"had run for {before:g}. Raise replicaTimeoutSeconds, {elsewhere}"
            )
        return None

    def _left(self) -> float:
        """Return for how many seconds a file may be worked on from now on."""
        return self._ends - self._outside.monotonic() - margin_seconds(self._seconds)

    def _need(self) -> float:
        if not self.limited or self._too_long():
            return 0.0
        known = self._longest if self._bound_seconds is None else self._bound_seconds
        return BLIND_SHARE * self._seconds if known is None else known

    def _too_long(self) -> bool:
        """Tell whether the application may take longer by its configs than a file can have, so that none is begun."""
        return self._bound_seconds is not None and self._bound_seconds > usable_seconds(self._seconds)

    def _drain(self, need: float | None) -> None:
        with self._lock:
            told, self._draining = self._draining, True
        if not told:
            left = self._ends - self._outside.monotonic()
            tell(_log, WorkerDrains(left=left, lifetime=self._seconds, need=need))


def process_age() -> float:
    """Return how long ago this process began, in seconds.

    It is the kernel that is asked: the platform counts from the process's start, and until Python has come to the first
    line of this program, seconds may have passed on a processor with a lot to do.
    """
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        # Only a kernel that no job of Azure runs on, as that of macOS, has no such file.
        return 0.0
    # The name of the program, in parentheses, may hold anything; the moment is the twenty-second field of all.
    ticks = int(stat.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
