"""The Azure cloud that a stack lives in: the public one.

Nothing can be deployed as a whole to the clouds of China and of the US Government: the provider's ``storage.Blob``,
which puts up the function's package and the artifact, asks the public cloud for the account's key whatever it is set
to. Source: ``newSharedKeyCredential`` in pulumi-azure-native's ``custom_storage_azidentity.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

PORTAL: Final = "https://portal.azure.com"

# The audience of registries, which each takes; one for Resource Manager's tokens a policy may have shut.
# Source: https://learn.microsoft.com/azure/container-registry/container-registry-disable-authentication-as-arm
REGISTRY_AUDIENCE: Final = "https://containerregistry.azure.net"
RESOURCE_MANAGER: Final = "https://management.azure.com"
STORAGE_AUDIENCE: Final = "https://storage.azure.com"
VAULT_DOMAIN: Final = "vault.azure.net"

# What the provider takes for the public cloud. Source: ``cloud.FromName`` in pulumi-azure-native.
PUBLIC_NAMES: Final = frozenset({"", "azurecloud", "public"})

# What tells the provider which cloud to use, as (key, variable).
SETTINGS: Final = (
    ("activeDirectoryAuthorityHost", "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"),
    ("environment", "ARM_ENVIRONMENT"),
    ("environment", "AZURE_ENVIRONMENT"),
    ("metadataHost", "ARM_METADATA_HOSTNAME"),
    ("resourceManagerAudience", "ARM_RESOURCE_MANAGER_AUDIENCE"),
    ("resourceManagerEndpoint", "ARM_RESOURCE_MANAGER_ENDPOINT"),
)


def cloud_problems(config: Callable[[str], str | None], environment: Mapping[str, str]) -> list[str]:
    """Return what sets the provider to another cloud, a sentence each.

    Args:
        config: returns the stack's value of a key of the provider, such as ``environment``.
        environment: of this process; a variable counts where the stack does not set the key.
    """
    problems = []
    for key, variable in SETTINGS:
        value = config(key)
        name = variable if value is None else f"azure-native:{key}"
        given = environment.get(variable, "") if value is None else value
        if (given.lower() not in PUBLIC_NAMES) if key == "environment" else given:
            problems.append(
                f"{name} is {given!r}. Only Azure's public cloud is supported: the provider puts blobs up in no other. "
                "Unset it."
            )
    return list(dict.fromkeys(problems))
