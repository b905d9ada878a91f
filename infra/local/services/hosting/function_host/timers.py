"""Timer triggers."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import azure.functions as func
from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter
from croniter import croniter

from .telling import resolve, tell

_log = logging.getLogger(__name__)


def timer_info(*, last: datetime | None, following: datetime, past_due: bool) -> str:
    """Return the JSON that Azure's host sends of a timer; what never was is in the year 1.

    Source: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#usage
    """
    before = (last or datetime.min.replace(tzinfo=UTC)).isoformat()
    status = {"Last": before, "LastUpdated": before, "Next": following.isoformat()}
    return json.dumps({"IsPastDue": past_due, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status})


class TimerTrigger:
    """Calls one function on a schedule of six fields, in UTC; a time that passed while no host ran is made up for."""

    def __init__(self, function: func.Function, memory: Path, stop: threading.Event, calls: ThreadPoolExecutor) -> None:
        (binding,) = (each.get_dict_repr() for each in function.get_bindings())
        self._call: Callable[..., object] = function.get_user_function()
        self._calls = calls
        self._memory = memory
        self._name = str(function.get_function_name())
        self._on_start = bool(binding.get("runOnStartup"))
        self._parameter = binding["name"]
        self._schedule = resolve(binding["schedule"])
        self._stop = stop
        if len(self._schedule.split()) != 6 or not croniter.is_valid(self._schedule, second_at_beginning=True):
            raise ValueError(f"The schedule of {self._name} is {self._schedule!r}; it must be a six-field NCRONTAB.")

    def serve(self) -> None:
        """Call the function at each time of its schedule until the host is to stop."""
        last = self._last()
        past_due = last is not None and self._next(last) <= datetime.now(UTC)
        if past_due or self._on_start:
            self._fire(past_due=past_due)
        while True:
            due = self._next(datetime.now(UTC))
            if self._stop.wait(max(0.0, (due - datetime.now(UTC)).total_seconds())):
                return
            self._fire(past_due=False)

    def _last(self) -> datetime | None:
        return datetime.fromtimestamp(self._memory.stat().st_mtime, UTC) if self._memory.exists() else None

    def _next(self, moment: datetime) -> datetime:
        following: datetime = croniter(self._schedule, moment, second_at_beginning=True).get_next(datetime)
        return following

    def _fire(self, *, past_due: bool) -> None:
        info = timer_info(last=self._last(), following=self._next(datetime.now(UTC)), past_due=past_due)
        self._memory.touch()
        # One call at a time, which waits for a thread like any other.
        self._calls.submit(self._run, info).result()

    def _run(self, info: str) -> None:
        start = time.monotonic()
        outcome = "done"
        try:
            self._call(**{self._parameter: TimerRequestConverter.decode(Datum(info, "json"), trigger_metadata={})})
        except Exception:
            _log.exception("%s failed; it runs again at its next time.", self._name)
            outcome = "failed"
        tell(function=self._name, id="", outcome=outcome, seconds=round(time.monotonic() - start, 3))
