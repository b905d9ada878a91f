"""What Azure changes in place of each kind of resource that the program declares; `kinds.py` has what it does not.

Between them, and the parts of the id, every property that the program declares has its place: a new one is looked up
(in the service's document, in the published types, in what other providers replace for) before it comes in here or
among the ``fixed`` ones of its kind. A path stands for all that is below it; ``[]`` is any index.

Sources, beside those at each kind: `x-ms-mutability` in https://github.com/Azure/azure-rest-api-specs, and what the
resources of https://github.com/hashicorp/terraform-provider-azurerm mark as `ForceNew`, which follows what the services
answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UPDATED: Final[Mapping[str, frozenset[str]]] = {
    # Source: https://github.com/hashicorp/terraform-provider-azurerm, container_app_job_resource.go and likewise below
    "azure-native:app:Job": frozenset({"configuration", "identity", "tags", "template", "workloadProfileName"}),
    "azure-native:app:ManagedEnvironment": frozenset({"tags"}),
    "azure-native:app:ManagedEnvironmentsStorage": frozenset({"properties.azureFile.accountKey"}),
    "azure-native:applicationinsights:Component": frozenset({"disableLocalAuth", "tags", "workspaceResourceId"}),
    # Source: https://learn.microsoft.com/azure/role-based-access-control/conditions-role-assignments-rest
    "azure-native:authorization:RoleAssignment": frozenset({"condition"}),
    # Source: https://learn.microsoft.com/azure/role-based-access-control/custom-roles-rest
    "azure-native:authorization:RoleDefinition": frozenset(
        {"assignableScopes", "description", "permissions", "roleName"}
    ),
    "azure-native:containerinstance:ContainerGroup": frozenset(),
    "azure-native:containerregistry:Registry": frozenset({"adminUserEnabled", "sku.name", "tags"}),
    "azure-native:eventgrid:SystemTopic": frozenset({"tags"}),
    "azure-native:eventgrid:SystemTopicEventSubscription": frozenset(
        {"deadLetterDestination", "destination", "filter", "retryPolicy"}
    ),
    # A new value is a new version of the secret.
    "azure-native:keyvault:Secret": frozenset({"properties.value"}),
    # A purge protection that is on stays on, whatever is left out later.
    "azure-native:keyvault:Vault": frozenset(
        {"properties.enablePurgeProtection", "properties.enableRbacAuthorization", "properties.tenantId", "tags"}
    ),
    "azure-native:managedidentity:UserAssignedIdentity": frozenset({"tags"}),
    "azure-native:monitor:ActionGroup": frozenset({"emailReceivers", "enabled", "groupShortName", "tags"}),
    "azure-native:monitor:DiagnosticSetting": frozenset({"logs", "workspaceId"}),
    "azure-native:monitor:MetricAlert": frozenset(
        {"actions", "autoMitigate", "criteria", "description", "enabled", "evaluationFrequency"}
        | {"severity", "tags", "windowSize"}
    ),
    "azure-native:monitor:ScheduledQueryRule": frozenset(
        {"actions", "autoMitigate", "criteria", "description", "displayName", "enabled", "evaluationFrequency"}
        | {"severity", "skipQueryValidation", "tags", "windowSize"}
    ),
    "azure-native:operationalinsights:Workspace": frozenset({"retentionInDays", "tags", "workspaceCapping"}),
    "azure-native:resources:ResourceGroup": frozenset({"tags"}),
    "azure-native:storage:Blob": frozenset({"contentType", "metadata"}),
    "azure-native:storage:BlobContainer": frozenset({"publicAccess"}),
    "azure-native:storage:BlobServiceProperties": frozenset(
        {"containerDeleteRetentionPolicy", "deleteRetentionPolicy"}
    ),
    "azure-native:storage:FileServiceProperties": frozenset({"shareDeleteRetentionPolicy"}),
    "azure-native:storage:FileShare": frozenset({"shareQuota"}),
    "azure-native:storage:ManagementPolicy": frozenset({"policy"}),
    "azure-native:storage:Queue": frozenset(),
    "azure-native:storage:StorageAccount": frozenset(
        {"allowBlobPublicAccess", "allowCrossTenantReplication", "allowSharedKeyAccess", "enableHttpsTrafficOnly"}
        | {"encryption.encryptionIdentity", "encryption.keySource", "encryption.keyVaultProperties"}
        | {"encryption.services.blob", "encryption.services.file", "identity", "minimumTlsVersion", "tags"}
    ),
    "azure-native:web:AppServicePlan": frozenset({"tags"}),
    "azure-native:web:WebApp": frozenset(
        {"functionAppConfig.deployment", "functionAppConfig.runtime.version", "functionAppConfig.scaleAndConcurrency"}
        | {"httpsOnly", "identity", "siteConfig", "tags"}
    ),
    "azure-native:web:WebAppScmAllowed": frozenset({"allow"}),
}

# What the program, or its SDK by itself, always says the same of: no setting and no other resource changes it, and
# what Azure would do was not looked up, or a new resource would cost the files.
CONSTANT: Final[Mapping[str, frozenset[str]]] = {
    "azure-native:app:ManagedEnvironment": frozenset({"appLogsConfiguration"}),
    "azure-native:applicationinsights:Component": frozenset(
        {"applicationType", "flowType", "ingestionMode", "kind", "publicNetworkAccessForIngestion"}
        | {"publicNetworkAccessForQuery", "requestSource"}
    ),
    "azure-native:authorization:RoleAssignment": frozenset({"conditionVersion"}),
    "azure-native:authorization:RoleDefinition": frozenset({"roleType"}),
    "azure-native:containerregistry:Registry": frozenset(
        {"anonymousPullEnabled", "networkRuleBypassOptions", "publicNetworkAccess", "zoneRedundancy"}
    ),
    "azure-native:keyvault:Vault": frozenset(
        {"properties.enableSoftDelete", "properties.enabledForDeployment", "properties.enabledForDiskEncryption"}
        | {"properties.enabledForTemplateDeployment", "properties.publicNetworkAccess", "properties.sku"}
    ),
    "azure-native:monitor:DiagnosticSetting": frozenset({"logAnalyticsDestinationType"}),
    "azure-native:monitor:ScheduledQueryRule": frozenset({"kind"}),
    "azure-native:operationalinsights:Workspace": frozenset({"sku.name"}),
    "azure-native:storage:StorageAccount": frozenset({"kind", "sku.name"}),
    "azure-native:web:AppServicePlan": frozenset({"kind", "reserved", "sku"}),
    "azure-native:web:WebApp": frozenset(
        {"clientAffinityEnabled", "functionAppConfig.runtime.name", "hyperV", "isXenon", "scmSiteAlsoStopped"}
    ),
}
