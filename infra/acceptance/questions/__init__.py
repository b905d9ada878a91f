"""The questions, in the order in which they are asked.

The refresh comes first, since every other question touches something; the quota last, since a used-up one would
refuse what the others make; and the logs late, since lines take their time.
"""

from __future__ import annotations

from typing import Final

from infra.acceptance.asking import Question
from infra.acceptance.questions import (
    alerts,
    cold_start,
    confinement,
    drift,
    image,
    liveness,
    logs,
    one_deploy,
    rest_client,
    roles,
    scaler,
    share,
    start_quota,
    start_statuses,
    updates,
    uploads,
)

QUESTIONS: Final[tuple[Question, ...]] = (
    drift.QUESTION,
    image.QUESTION,
    share.QUESTION,
    confinement.QUESTION,
    start_statuses.QUESTION,
    updates.TAG,
    updates.IMAGE,
    liveness.QUESTION,
    cold_start.QUESTION,
    roles.WITHOUT_ASSIGN,
    roles.REPLACEMENT,
    rest_client.QUESTION,
    scaler.QUESTION,
    uploads.QUESTION,
    one_deploy.QUESTION,
    alerts.QUESTION,
    logs.QUESTION,
    start_quota.QUESTION,
)
