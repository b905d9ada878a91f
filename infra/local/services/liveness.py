"""The liveness probe of a container, asked as Azure asks it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Probe:
    """When a container counts as dead: so many answers in a row that are late, missing or not 200 to 399.

    Source: https://learn.microsoft.com/azure/container-instances/container-instances-liveness-probe
    """

    failure_threshold: int
    initial_delay_seconds: float
    path: str
    period_seconds: float
    port: int
    timeout_seconds: float

    @classmethod
    def read(cls, declared: Mapping[str, Any]) -> Probe:
        """Read a probe as the stack declares it."""
        get = declared["httpGet"]
        return cls(
            failure_threshold=declared["failureThreshold"],
            initial_delay_seconds=declared["initialDelaySeconds"],
            path=get["path"],
            period_seconds=declared["periodSeconds"],
            port=get["port"],
            timeout_seconds=declared["timeoutSeconds"],
        )

    def watch(self, port: int, ended: threading.Event) -> str | None:
        """Ask a container until it has ended, or is to be ended, and return why, in a sentence, or None.

        Args:
            port: where on this machine the container's port is.
            ended: the container has ended by itself.
        """
        failures, wait = 0, self.initial_delay_seconds
        while not ended.wait(wait):
            problem = self._ask(port)
            failures = failures + 1 if problem else 0
            if problem and failures >= self.failure_threshold:
                return f"{self.path} {problem}, {failures} times in a row"
            wait = self.period_seconds
        return None

    def _ask(self, port: int) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self.timeout_seconds)
        try:
            connection.request("GET", self.path)
            status = connection.getresponse().status
        except TimeoutError:
            return f"did not answer within {self.timeout_seconds:g} seconds"
        except (OSError, http.client.HTTPException) as error:
            return f"did not answer ({error})"
        finally:
            connection.close()
        return None if 200 <= status < 400 else f"answered {status}"
