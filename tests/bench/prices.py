"""What Azure charges, each price in this one place: about the pay-as-you-go list prices of East US, in US dollars.

They differ by region and change, so look again before you rely on them. Sources:
https://azure.microsoft.com/pricing/details/storage/queues/ and /storage/blobs/ (general purpose v2, LRS, hot),
/container-instances/ (Linux), /container-apps/ (Consumption, active; the same figures in
https://techcommunity.microsoft.com/blog/appsonazureblog/understanding-idle-usage-in-azure-container-apps/4419197) and
/functions/ (Flex Consumption, on demand, no free grant; the same figure in
https://modal.com/blog/azure-function-pricing-guide of May 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from infra.settings.runner_limits import RunnerKind

BLOB_READ: Final = 0.005 / 10_000
BLOB_WRITE_OR_LIST: Final = 0.065 / 10_000
FUNCTION_GB_SECOND: Final = 0.000026
FUNCTION_RUN: Final = 0.40 / 1_000_000
# Flex Consumption bills at least one second of an instance for each run on its own.
# Source: https://learn.microsoft.com/azure/azure-functions/functions-consumption-costs
FUNCTION_SECONDS: Final = 1.0
INSTANCE_GB: Final = 2.0
QUEUE_CALL: Final = 0.004 / 10_000


class Hour(NamedTuple):
    """What an hour of one core and of one GiB costs."""

    core: float
    gib: float

    def of(self, cores: float, gibibytes: float) -> float:
        """Return what an hour of so much costs."""
        return cores * self.core + gibibytes * self.gib


HOURS: Final[Mapping[RunnerKind, Hour]] = {
    "containerAppsJob": Hour(core=0.000024 * 3600, gib=0.000003 * 3600),
    "containerInstances": Hour(core=0.0405, gib=0.00445),
}
