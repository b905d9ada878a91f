"""How many executions of a Container Apps job Azure's scaler starts: the formula of KEDA, with its default strategy.

Container Apps lets nobody choose another. Source: https://github.com/kedacore/keda, pkg/scalers/azure_queue_scaler.go,
pkg/scaling/scaledjob/metrics.go and pkg/scaling/executor/scale_jobs.go (``defaultScalingStrategy``), release 2.17.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The rule of a job.

    Attributes:
        max_executions: so many work side by side at most.
        polling_seconds: the time between two looks at the queue.
        queue_length: so many messages ask for one execution.
    """

    max_executions: int
    polling_seconds: float
    queue_length: int


def executions_to_start(messages: int, at_work: int, scale: Scale) -> int:
    """Return how many executions a look at the queue starts.

    Args:
        messages: on the queue, those among them that are claimed, or become visible later: the scaler asks for the
            queue's approximate count, which has all of them.
        at_work: executions that have not ended; one that has yet to begin counts like any other.
        scale: the job's rule.
    """
    # The scaler is active with more messages than none.
    if messages <= 0:
        return 0
    wanted = math.ceil(min(messages / scale.queue_length, scale.max_executions))
    return max(0, min(messages, wanted - at_work))
