"""What all parts of the stack stand on, made once by the program and handed to each of them as one thing."""

from __future__ import annotations

from dataclasses import dataclass

from infra.accounts import StorageAccounts
from infra.components.monitoring import Monitoring
from infra.components.placement import Placement
from infra.components.registry import Registry
from infra.settings.config import StackConfig


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The surroundings of the worker and the function.

    Attributes:
        accounts: where files, artifacts and the Functions host's own things are.
        config: what the stack is told.
        logs: where logs and telemetry go.
        placement: where each resource is, and its tags.
        registry: where images are kept.
    """

    accounts: StorageAccounts
    config: StackConfig
    logs: Monitoring
    placement: Placement
    registry: Registry
