"""What a worker takes from outside: the time, ids that nobody else has, and chance."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline_app.contract import now
from pipeline_app.worker.backoff import backoff


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Where it takes them from; who brings others has a worker that does the same each time.

    Attributes:
        backoff: says how many seconds to wait after so many tries.
        monotonic: tells seconds that only grow.
        new_id: returns an id in hex.
        now: tells the moment, as ``contract.now`` writes it.
        sleep: waits for seconds.
    """

    backoff: Callable[[int], float] = backoff
    monotonic: Callable[[], float] = time.monotonic
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    now: Callable[[], str] = now
    sleep: Callable[[float], None] = time.sleep


OUTSIDE: Final = Outside()
