"""The Azure clouds that a stack can live in, by the provider's name for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """The addresses of one cloud: its portal and its Azure Resource Manager, without a slash at the end."""

    portal: str
    resource_manager: str


CLOUDS: Final = {
    "china": Cloud(portal="https://portal.azure.cn", resource_manager="https://management.chinacloudapi.cn"),
    "public": Cloud(portal="https://portal.azure.com", resource_manager="https://management.azure.com"),
    "usgovernment": Cloud(portal="https://portal.azure.us", resource_manager="https://management.usgovcloudapi.net"),
}
