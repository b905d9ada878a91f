"""The date of requests: by this machine's clock, until the service has refused one for it."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

# The service refuses a request that is dated more than 15 minutes off; a smaller difference was not the reason.
# Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
MAX_SKEW_SECONDS: Final = 10 * 60.0


class ServiceClock:
    """Tells the service's time once that is known; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset: float | None = None

    def date(self) -> str:
        """Return the present moment as a request's header has it."""
        with self._lock:
            # A clock that is wrong may jump as well, and then nothing but the time since it was set right counts.
            return formatdate(None if self._offset is None else time.monotonic() + self._offset, usegmt=True)

    def correct(self, sent: str, told: str | None) -> bool:
        """Go by the service's clock from now on if a refused request was dated by one that is far off.

        Args:
            sent: the date of the request.
            told: the date of its answer.

        Returns:
            Whether the request is worth another try.
        """
        try:
            moment = parsedate_to_datetime(told or "").timestamp()
        except ValueError:
            return False
        if abs(moment - parsedate_to_datetime(sent).timestamp()) < MAX_SKEW_SECONDS:
            return False
        with self._lock:
            self._offset = moment - time.monotonic()
        return True
