"""The kinds of Azure resources that the program uses: their ids, their names, and what cannot be changed in place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote

from tests.engine.standin.wire import Properties

SUBSCRIPTION: Final = "00000000-1111-2222-3333-444444444444"
TENANT: Final = "99999999-8888-7777-6666-555555555555"

GROUP: Final = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
ACCOUNT: Final = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}"
APPS: Final = f"{GROUP}/providers/Microsoft.App/managedEnvironments"
CONTAINER: Final = f"{ACCOUNT}/blobServices/default/containers/{{containerName}}"
INSIGHTS: Final = f"{GROUP}/providers/Microsoft.Insights"
SITES: Final = f"{GROUP}/providers/Microsoft.Web"
TOPIC: Final = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/{{systemTopicName}}"
VAULT: Final = f"{GROUP}/providers/Microsoft.KeyVault/vaults/{{vaultName}}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource.

    Attributes:
        path: the id, with the inputs that make it up in braces; all of them need a new resource when they change.
        naming: what the provider makes a name from where none is given.
        name_pattern: what the service takes as a name.
        global_name: whether no two in the whole cloud may have the same name.
        force_new: further inputs that need a new resource, as the provider's metadata has it.
        fixed: inputs that the service refuses to change, whatever the provider believes; ``[]`` is any index.
        secret: inputs that the service never gives back.
        singleton: whether there is just one, which comes and goes with its parent.
    """

    path: str
    naming: Literal["copy", "random", "uuid"] = "random"
    name_pattern: str = r"[\w.()-]{1,90}"
    global_name: bool = False
    force_new: frozenset[str] = frozenset({"location"})
    fixed: frozenset[str] = frozenset()
    secret: frozenset[str] = field(default=frozenset())
    singleton: bool = False

    @property
    def parameters(self) -> list[str]:
        """The inputs that make up the id, outermost first."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def name_parameter(self) -> str:
        """The input that names the resource itself."""
        return self.parameters[-1]

    def resource_id(self, inputs: Properties) -> str:
        """Return the id that the inputs describe."""
        return _fill(self.path, inputs)

    def parent_id(self, inputs: Properties) -> str | None:
        """Return the id of what the resource lives in, or None for a resource group."""
        before = self.path[: self.path.rindex("{")]
        end = before.rindex("}") + 1
        parent = _fill(before[:end], inputs)
        return None if parent == f"/subscriptions/{SUBSCRIPTION}" else parent


def _fill(template: str, inputs: Properties) -> str:
    values = {"subscriptionId": SUBSCRIPTION} | inputs

    def value(match: re.Match[str]) -> str:
        text = str(values[match[1]])
        # A scope is a path, and comes with a slash of its own.
        return text.strip("/") if match[1] in ("resourceUri", "scope") else quote(text, safe="")

    return re.sub(r"\{(\w+)\}", value, template)


KINDS: Final = {
    "azure-native:app:Job": Kind(
        path=f"{GROUP}/providers/Microsoft.App/jobs/{{jobName}}",
        # Source: https://learn.microsoft.com/cli/azure/containerapp/job
        name_pattern=r"(?!.*--)[a-z][a-z0-9-]{0,29}[a-z0-9]",
        # Source: https://github.com/hashicorp/terraform-provider-azurerm, container_app_job_resource.go
        fixed=frozenset({"environmentId"}),
    ),
    "azure-native:app:ManagedEnvironment": Kind(
        path=f"{APPS}/{{environmentName}}",
        # Source: https://github.com/hashicorp/terraform-provider-azurerm, containerapps/validate
        name_pattern=r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])",
        # Profiles with GPUs come with the environment alone, which is taken for all.
        # Source: https://learn.microsoft.com/azure/container-apps/workload-profiles-overview
        fixed=frozenset({"workloadProfiles"}),
    ),
    "azure-native:app:ManagedEnvironmentsStorage": Kind(
        path=f"{APPS}/{{environmentName}}/storages/{{storageName}}",
        name_pattern=r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])",
        # Source: https://github.com/hashicorp/terraform-provider-azurerm, container_app_environment_storage_resource.go
        fixed=frozenset({f"properties.azureFile.{each}" for each in ("accessMode", "accountName", "shareName")}),
        secret=frozenset({"accountKey"}),
    ),
    "azure-native:applicationinsights:Component": Kind(
        path=f"{INSIGHTS}/components/{{resourceName}}",
    ),
    "azure-native:authorization:RoleAssignment": Kind(
        path="/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        naming="uuid",
        name_pattern=r"[0-9a-f-]{36}",
        force_new=frozenset({"principalId", "scope"}),
        fixed=frozenset({"principalId", "principalType", "roleDefinitionId"}),
    ),
    "azure-native:authorization:RoleDefinition": Kind(
        path="/{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
        naming="uuid",
        name_pattern=r"[0-9a-f-]{36}",
        force_new=frozenset({"scope"}),
    ),
    "azure-native:containerinstance:ContainerGroup": Kind(
        path=f"{GROUP}/providers/Microsoft.ContainerInstance/containerGroups/{{containerGroupName}}",
        name_pattern=r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*",
        # The service answers InvalidContainerGroupUpdate; the provider knows nothing of it and sends the update. Of
        # image and environment the documents say both, and of tags that an update takes none.
        fixed=frozenset(
            {
                "containers",
                "diagnostics",
                "identity",
                "imageRegistryCredentials",
                "ipAddress",
                "osType",
                "restartPolicy",
                "subnetIds",
                # Only a PATCH updates these, and the provider sends none.
                # Source: https://github.com/hashicorp/terraform-provider-azurerm, container_group_resource.go
                "tags",
                "volumes",
            }
        ),
        secret=frozenset({"storageAccountKey"}),
    ),
    "azure-native:containerregistry:Registry": Kind(
        path=f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/{{registryName}}",
        name_pattern=r"[A-Za-z0-9]{5,50}",
        global_name=True,
    ),
    "azure-native:eventgrid:SystemTopic": Kind(
        path=TOPIC,
        name_pattern=r"[A-Za-z0-9-]{3,50}",
        # Source: https://github.com/Azure/azure-quickstart-templates/issues/13688
        fixed=frozenset({"source", "topicType"}),
    ),
    "azure-native:eventgrid:SystemTopicEventSubscription": Kind(
        path=f"{TOPIC}/eventSubscriptions/{{eventSubscriptionName}}",
        name_pattern=r"[A-Za-z0-9-]{3,64}",
        # Source: https://github.com/MicrosoftDocs/azure-docs/issues/17010
        fixed=frozenset({"eventDeliverySchema"}),
    ),
    "azure-native:keyvault:Secret": Kind(
        path=f"{VAULT}/secrets/{{secretName}}",
        name_pattern=r"[A-Za-z0-9-]{1,127}",
        secret=frozenset({"value"}),
    ),
    "azure-native:keyvault:Vault": Kind(
        path=VAULT,
        name_pattern=r"(?=.{3,24}$)[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*",
        global_name=True,
        # Source: https://github.com/MicrosoftDocs/azure-docs/issues/110047
        fixed=frozenset({"properties.softDeleteRetentionInDays"}),
    ),
    "azure-native:managedidentity:UserAssignedIdentity": Kind(
        path=f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{{resourceName}}",
        name_pattern=r"[A-Za-z0-9][\w-]{2,127}",
    ),
    "azure-native:monitor:ActionGroup": Kind(
        path=f"{INSIGHTS}/actionGroups/{{actionGroupName}}",
        name_pattern=r"[^/&%?]{1,260}",
    ),
    "azure-native:monitor:DiagnosticSetting": Kind(
        path="/{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
        name_pattern=r"[^*<>%&:\\?+/]{1,260}",
    ),
    "azure-native:monitor:MetricAlert": Kind(
        path=f"{INSIGHTS}/metricAlerts/{{ruleName}}",
        name_pattern=r"[^#*&+:<>?@%{}/\\]{1,260}",
        # Inferred from what the service answers for the other kind of rule.
        fixed=frozenset({"scopes"}),
    ),
    "azure-native:monitor:ScheduledQueryRule": Kind(
        path=f"{INSIGHTS}/scheduledQueryRules/{{ruleName}}",
        name_pattern=r"[^#*&+:<>?@%{}/\\]{1,260}",
        # Source: https://github.com/pulumi/pulumi-azure-native/issues/4839
        fixed=frozenset({"scopes"}),
    ),
    "azure-native:operationalinsights:Workspace": Kind(
        path=f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/{{workspaceName}}",
        name_pattern=r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    ),
    "azure-native:resources:ResourceGroup": Kind(path=GROUP, name_pattern=r"[\w.()-]{0,89}[\w()-]"),
    "azure-native:storage:Blob": Kind(
        path=f"{CONTAINER}/blobs/{{blobName}}",
        naming="copy",
        name_pattern=r".{1,1024}",
        force_new=frozenset({"contentMd5", "source", "type"}),
    ),
    "azure-native:storage:BlobContainer": Kind(
        path=CONTAINER,
        name_pattern=r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    ),
    # The services are there with their account, so making one takes it over as it is, and nothing deletes it.
    # Source: https://github.com/pulumi/pulumi-azure-native, provider/pkg/azure/client_azcore.go, CanCreate
    "azure-native:storage:BlobServiceProperties": Kind(
        path=f"{ACCOUNT}/blobServices/{{blobServicesName}}",
        name_pattern="default",
        singleton=True,
    ),
    "azure-native:storage:FileServiceProperties": Kind(
        path=f"{ACCOUNT}/fileServices/{{fileServicesName}}",
        name_pattern="default",
        singleton=True,
    ),
    "azure-native:storage:FileShare": Kind(
        path=f"{ACCOUNT}/fileServices/default/shares/{{shareName}}",
        name_pattern=r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    ),
    "azure-native:storage:ManagementPolicy": Kind(
        path=f"{ACCOUNT}/managementPolicies/{{managementPolicyName}}",
        name_pattern="default",
    ),
    "azure-native:storage:Queue": Kind(
        path=f"{ACCOUNT}/queueServices/default/queues/{{queueName}}",
        name_pattern=r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    ),
    "azure-native:storage:StorageAccount": Kind(
        path=ACCOUNT,
        name_pattern=r"[a-z0-9]{3,24}",
        global_name=True,
        force_new=frozenset({"isHnsEnabled", "location"}),
        # Source: https://learn.microsoft.com/azure/storage/common/account-encryption-key-create
        fixed=frozenset({"encryption.services.queue"}),
    ),
    "azure-native:web:AppServicePlan": Kind(path=f"{SITES}/serverfarms/{{name}}", name_pattern=r"[A-Za-z0-9-]{1,60}"),
    "azure-native:web:WebApp": Kind(
        path=f"{SITES}/sites/{{name}}",
        name_pattern=r"(?=.{2,60}$)[A-Za-z0-9]+(-[A-Za-z0-9]+)*",
        global_name=True,
        force_new=frozenset({"kind", "location"}),
        # Source: https://github.com/hashicorp/terraform-provider-azurerm, function_app_flex_consumption_resource.go
        fixed=frozenset({"serverFarmId"}),
    ),
    # It is there with its site and allows passwords; the provider makes it where it is in that state alone.
    "azure-native:web:WebAppScmAllowed": Kind(path=f"{SITES}/sites/{{name}}/basicPublishingCredentialsPolicies/scm"),
}
