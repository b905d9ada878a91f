"""How each resource type and provider function of the stack is realised, by its token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from infra.local.cloud.cloud import InvokeHandler, ResourceHandler
from infra.local.cloud.handlers import compute, container_apps, management, messaging, storage, verification

INVOKES: Final[Mapping[str, InvokeHandler]] = {
    **management.INVOKES,
    **messaging.INVOKES,
    **storage.INVOKES,
}
RESOURCES: Final[Mapping[str, ResourceHandler]] = {
    **compute.RESOURCES,
    **container_apps.RESOURCES,
    **management.RESOURCES,
    **messaging.RESOURCES,
    **storage.RESOURCES,
    **verification.RESOURCES,
}
