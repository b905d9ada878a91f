"""The ARM ids and the chosen names of resources, as azure-native has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# The last placeholder is the resource's own name; those before it are its parents.
PATHS: Final = {
    "azure-native:app:Job": "Microsoft.App/jobs/{jobName}",
    "azure-native:app:ManagedEnvironment": "Microsoft.App/managedEnvironments/{environmentName}",
    "azure-native:app:ManagedEnvironmentsStorage": (
        "Microsoft.App/managedEnvironments/{environmentName}/storages/{storageName}"
    ),
    "azure-native:applicationinsights:Component": "Microsoft.Insights/components/{resourceName}",
    "azure-native:containerinstance:ContainerGroup": "Microsoft.ContainerInstance/containerGroups/{containerGroupName}",
    "azure-native:containerregistry:Registry": "Microsoft.ContainerRegistry/registries/{registryName}",
    "azure-native:eventgrid:SystemTopic": "Microsoft.EventGrid/systemTopics/{systemTopicName}",
    "azure-native:eventgrid:SystemTopicEventSubscription": (
        "Microsoft.EventGrid/systemTopics/{systemTopicName}/eventSubscriptions/{eventSubscriptionName}"
    ),
    "azure-native:keyvault:Secret": "Microsoft.KeyVault/vaults/{vaultName}/secrets/{secretName}",
    "azure-native:keyvault:Vault": "Microsoft.KeyVault/vaults/{vaultName}",
    "azure-native:managedidentity:UserAssignedIdentity": (
        "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
    ),
    "azure-native:monitor:ActionGroup": "Microsoft.Insights/actionGroups/{actionGroupName}",
    "azure-native:monitor:MetricAlert": "Microsoft.Insights/metricAlerts/{ruleName}",
    "azure-native:monitor:ScheduledQueryRule": "Microsoft.Insights/scheduledQueryRules/{ruleName}",
    "azure-native:operationalinsights:Workspace": "Microsoft.OperationalInsights/workspaces/{workspaceName}",
    "azure-native:storage:Blob": (
        "Microsoft.Storage/storageAccounts/{accountName}/blobServices/default/containers/{containerName}/blobs/{blobName}"
    ),
    "azure-native:storage:BlobContainer": (
        "Microsoft.Storage/storageAccounts/{accountName}/blobServices/default/containers/{containerName}"
    ),
    "azure-native:storage:BlobServiceProperties": (
        "Microsoft.Storage/storageAccounts/{accountName}/blobServices/{blobServicesName}"
    ),
    "azure-native:storage:FileServiceProperties": (
        "Microsoft.Storage/storageAccounts/{accountName}/fileServices/{fileServicesName}"
    ),
    "azure-native:storage:FileShare": (
        "Microsoft.Storage/storageAccounts/{accountName}/fileServices/default/shares/{shareName}"
    ),
    "azure-native:storage:ManagementPolicy": (
        "Microsoft.Storage/storageAccounts/{accountName}/managementPolicies/{managementPolicyName}"
    ),
    "azure-native:storage:Queue": (
        "Microsoft.Storage/storageAccounts/{accountName}/queueServices/default/queues/{queueName}"
    ),
    "azure-native:storage:StorageAccount": "Microsoft.Storage/storageAccounts/{accountName}",
    "azure-native:web:AppServicePlan": "Microsoft.Web/serverfarms/{name}",
    "azure-native:web:WebApp": "Microsoft.Web/sites/{name}",
    "azure-native:web:WebAppScmAllowed": "Microsoft.Web/sites/{name}/basicPublishingCredentialsPolicies/scm",
}

# These names allow lower-case letters and digits alone; the numbers are the longest names that Azure allows.
PLAIN_NAMES: Final = {
    "azure-native:containerregistry:Registry": 50,
    "azure-native:storage:StorageAccount": 24,
}
SHORT_NAMES: Final = {"azure-native:keyvault:Vault": 24}

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Named:
    """A resource's ARM id, its own name, and the ids of the resources that it lives in."""

    id: str
    name: str
    parents: tuple[str, ...]


def name_resource(token: str, logical_name: str, inputs: Mapping[str, Any], subscription: str, suffix: str) -> Named:
    """Return the id and names of a resource of a type in ``PATHS``; a name that is not given ends in the suffix.

    Raises:
        KeyError: the type is not in ``PATHS``, or an input that names a parent is missing.
    """
    path = PATHS[token]
    *parents, own = _PLACEHOLDER.findall(path)
    name = str(inputs.get(own) or _chosen(token, logical_name, suffix))
    group = f"/subscriptions/{subscription}/resourceGroups/{inputs['resourceGroupName']}"
    values = {parent: inputs[parent] for parent in parents} | {own: name}
    above = [group]
    for parent in parents:
        end = path.index(f"{{{parent}}}") + len(parent) + 2
        above.append(f"{group}/providers/{path[:end].format_map(values)}")
    return Named(f"{group}/providers/{path.format_map(values)}", name, tuple(above))


def _chosen(token: str, logical_name: str, suffix: str) -> str:
    if longest := PLAIN_NAMES.get(token):
        plain = re.sub(r"[^a-z0-9]", "", logical_name.lower())
        return plain[: longest - len(suffix)] + suffix
    if longest := SHORT_NAMES.get(token):
        return f"{logical_name[: longest - len(suffix) - 1].rstrip('-')}-{suffix}"
    return f"{logical_name}{suffix}"
