"""Azure's rules for names, pure: what a name may be, and what is wrong with one that is not.

Nearly every resource is named by the provider, which appends eight random hexadecimal digits to the resource's name in
the program. Names within a resource (containers, queues, shares) and those that a person asks for are checked here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# These no setting changes.
DEAD_LETTER_CONTAINER: Final = "dead-letters"
SHARE_MOUNT: Final = "/mnt/azurefiles"

# What the provider appends to a name that it makes.
AUTONAME_LENGTH: Final = 8
RESOURCE_GROUP_LENGTH: Final = 90


@dataclass(frozen=True, kw_only=True)
class NameRule:
    """A pattern that the whole name has to match, and the same in words."""

    allowed: str
    pattern: re.Pattern[str]

    def problem(self, value: str) -> str | None:
        """Return what is wrong with a name, or None where nothing is."""
        return None if self.pattern.fullmatch(value) else f"Allowed: {self.allowed}."


def _rule(pattern: str, allowed: str) -> NameRule:
    return NameRule(allowed=allowed, pattern=re.compile(pattern, re.ASCII))


ACTION_GROUP_ID: Final = _rule(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Insights/actionGroups/[^/\s]+",
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.Insights/actionGroups/…, the resource id of an action group",
)
BLOB_CONTAINER: Final = _rule(
    r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    "3 to 63 lower-case letters, digits and single hyphens, beginning and ending with a letter or digit",
)
BLOB_FOLDER: Final = _rule(
    r"(?=.{0,200}$)([\w.-]*[\w-](/[\w.-]*[\w-])*)?",
    "up to 200 letters, digits, hyphens, underscores and dots, in parts separated by single slashes, no part ending "
    "in a dot; empty for the top",
)
BLOB_NAME: Final = _rule(
    r"(?=.{1,200}$)[\w.-]*[\w-]",
    "1 to 200 letters, digits, hyphens, underscores and dots, not ending in a dot",
)
BLOB_PATH: Final = _rule(
    r"(?=.{1,200}$)[\w.-]*[\w-](/[\w.-]*[\w-])*",
    "1 to 200 letters, digits, hyphens, underscores and dots, in parts separated by single slashes, no part ending in "
    "a dot, and no slash at either end",
)
COMMAND: Final = _rule(
    r"(?=.{1,64}$)[A-Za-z0-9][A-Za-z0-9._+-]*",
    "1 to 64 letters, digits, dots, underscores, plus signs and hyphens, beginning with a letter or digit",
)
EMAIL: Final = _rule(
    r"(?=.{3,254}$)[^\s@,]+@[^\s@,.]+(\.[^\s@,.]+)+",
    "e-mail addresses such as team@example.com, with commas between them",
)
IMAGE_PATH: Final = _rule(
    r"(?=.{1,100}$)[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*",
    "1 to 100 lower-case letters and digits, with single dots, underscores or hyphens between them, in parts "
    "separated by slashes",
)
IMAGE_REFERENCE: Final = _rule(
    r"[A-Za-z0-9.-]+(:\d+)?/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}",
    "an image by digest, such as registry.azurecr.io/namespace/name@sha256:<64 hexadecimal digits>",
)
IMAGE_WORD: Final = _rule(
    r"(?=.{1,50}$)[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*",
    "1 to 50 lower-case letters and digits, with single dots, underscores or hyphens between them",
)
REGISTRY: Final = _rule(r"[a-zA-Z0-9]{5,50}", "5 to 50 letters and digits")
REGISTRY_ID: Final = _rule(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.ContainerRegistry/registries/[a-z0-9]{5,50}",
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/…, the resource id of an Azure "
    "container registry",
)
SHA256: Final = _rule(r"[0-9a-fA-F]{64}", "64 hexadecimal digits")
SHARE: Final = BLOB_CONTAINER
STORAGE_ACCOUNT: Final = _rule(r"[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits")
UUID: Final = _rule(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "an id such as 00000000-0000-0000-0000-000000000000"
)
VAULT: Final = _rule(
    r"(?=.{3,24}$)[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*",
    "3 to 24 letters, digits and single hyphens, beginning with a letter and ending with a letter or digit",
)
VERSION: Final = _rule(
    r"(?=.{1,40}$)[A-Za-z0-9]+([.-][A-Za-z0-9]+)*",
    "1 to 40 letters and digits, with single dots or hyphens between them",
)


# The hosts of Azure's registries, in each cloud.
# Source: https://learn.microsoft.com/azure/container-registry/container-registry-faq
REGISTRY_DOMAINS: Final = (".azurecr.cn", ".azurecr.io", ".azurecr.us")


def is_azure_registry(server: str) -> bool:
    """Tell whether a host is that of an Azure container registry."""
    return server.lower().endswith(REGISTRY_DOMAINS)


def is_server_of(server: str, registry_id: str) -> bool:
    """Tell whether a host can be that of a registry: its name, or its name and a hash after a hyphen.

    Source: https://learn.microsoft.com/azure/container-registry/container-registry-get-started-portal
    """
    name = registry_id.rpartition("/")[2].lower()
    return is_azure_registry(server) and server.lower().partition(".")[0].partition("-")[0] == name


def image_repository(namespace: str, model_name: str, model_version: str) -> str:
    """Return the repository of the worker's image below the registry: ``<namespace>/<name>_v<version>``."""
    return f"{namespace}/{model_name}_v{model_version}"


def image_version(project_version: str, build: str) -> str:
    """Return the image's tag and the release that it carries: ``<project version>.dev<build>``."""
    return f"{project_version}.dev{build}"


def resource_group(project: str, stack: str) -> str:
    """Return the name that the provider makes the resource group's name from, which a person finds it by.

    Characters that Azure does not take become hyphens, and what is too long loses its end.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{project}-{stack}")
    return name[: RESOURCE_GROUP_LENGTH - AUTONAME_LENGTH]
