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
FUNCTION_PACKAGE_CONTAINER: Final = "function-packages"
SHARE_MOUNT: Final = "/mnt/azurefiles"

# Where the worker's configs are on the share; no other file goes there.
SHARE_CONFIG_FOLDER: Final = "config"
# A path on a share, and each name in it. Azure Files takes names without regard to case, and the names of devices not.
# Source: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-shares--directories--files--and-metadata
SHARE_DEPTH: Final = 250
SHARE_NAME_LENGTH: Final = 255
SHARE_PATH_LENGTH: Final = 2048
_DEVICE: Final = re.compile(r"(?i)(aux|clock\$|com[1-9]|con|lpt[1-9]|nul|prn)(\..*)?")
_SHARE_RESERVED: Final = re.compile(r'["\\:|<>*?\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]')

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
KEY_ID: Final = _rule(
    r"(?i)/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/\s]+/providers/Microsoft\.KeyVault"
    r"/vaults/[a-z][a-z0-9-]{2,23}/keys/[a-z0-9-]{1,127}",
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.KeyVault/vaults/…/keys/…, the resource id of a key in a Key "
    "Vault, without a version",
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
SYSTEM_TOPIC: Final = _rule(r"[A-Za-z0-9-]{3,128}", "3 to 128 letters, digits and hyphens")
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


def share_path_problem(path: str) -> str | None:
    """Return why Azure Files has no file of this path below a share, without slashes at its ends, or None."""
    parts = path.split("/")
    if _utf16_length(path) > SHARE_PATH_LENGTH or len(parts) > SHARE_DEPTH:
        return f"Azure Files takes paths of up to {SHARE_PATH_LENGTH:,} characters and {SHARE_DEPTH} parts."
    for part in parts:
        if match := _SHARE_RESERVED.search(part):
            return f"Azure Files takes no {match[0]!a} in a name."
        if part in ("", ".", "..") or part.endswith((".", " ")):
            return f"Azure Files and its mounts keep no part that is empty or ends in a dot or a space, as {part!r} is."
        if _utf16_length(part) > SHARE_NAME_LENGTH:
            return f"Azure Files takes names of up to {SHARE_NAME_LENGTH} characters."
        if _DEVICE.fullmatch(part):
            return f"{part!r} is the name of a device, which Azure Files takes for no file."
    return None


def resource_group(*parts: str) -> str:
    """Return the name that the provider makes the resource group's name from.

    Characters that Azure does not take become hyphens, and what is too long loses its end.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(parts))
    return name[: RESOURCE_GROUP_LENGTH - AUTONAME_LENGTH]


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
