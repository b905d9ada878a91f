"""What manages the rest: groups, identities, roles, the registry, the vault and monitoring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from infra.local.cloud.cloud import CloudError, Declared, InvokeHandler, Properties, ResourceHandler, Scene
from infra.local.services.built_in_roles import Permissions
from infra.local.services.conditions import VERSION as CONDITION_VERSION
from infra.local.services.conditions import ConditionError, parse
from infra.local.services.identity import UnknownRoleError
from infra.settings.clouds import RESOURCE_MANAGER

# The categories of logs of a container group, and of what else has logs by how its id ends. Sources:
# https://learn.microsoft.com/azure/container-instances/monitor-azure-container-instances-reference,
# https://learn.microsoft.com/azure/azure-monitor/reference/logs-index,
# https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/microsoft-app-managedenvironments-logs
GROUP_CATEGORIES: Final = {"ContainerEvent", "ContainerInstanceLog"}
# The first of an environment of Container Apps are of its apps and jobs, the others of what is not used here.
LOG_CATEGORIES: Final = {
    r"/microsoft\.app/managedenvironments/[^/]+": {"ContainerAppConsoleLogs", "ContainerAppSystemLogs"},
    r"/microsoft\.keyvault/vaults/[^/]+": {"AuditEvent", "AzurePolicyEvaluationDetails"},
    r"/microsoft\.storage/storageaccounts/[^/]+/(blob|file|queue|table)services/default": {
        "StorageDelete",
        "StorageRead",
        "StorageWrite",
    },
}


def alert(scene: Scene, declared: Declared) -> Properties:
    """Name an alert rule or an action group; nothing here measures or notifies, the run shows its warnings itself."""
    return {"location": declared.inputs.get("location") or scene.location}


def client_config(scene: Scene, _inputs: Properties) -> Properties:
    """Return who deploys."""
    return {
        "clientId": scene.machine.data.uuid("deployer client"),
        "objectId": scene.machine.data.uuid("deployer object"),
        "subscriptionId": scene.subscription,
        "tenantId": scene.tenant,
    }


def client_token(scene: Scene, inputs: Properties) -> Properties:
    """Return a token of who deploys for an audience; the registry takes its own, and nothing else here asks for one."""
    return {"token": scene.machine.deployer_token(str(inputs.get("endpoint") or RESOURCE_MANAGER))}


def diagnostic_setting(scene: Scene, declared: Declared) -> Properties:
    """Name what goes to Log Analytics; here logs are in the data folder, and nothing is kept of who asked for what.

    Raises:
        CloudError: it is on what has no such logs.
    """
    owner = declared.inputs["resourceUri"]
    categories = next((found for end, found in LOG_CATEGORIES.items() if re.search(f"{end}$", owner.lower())), None)
    if owner.lower() in scene.machine.groups:
        categories = GROUP_CATEGORIES
    if categories is None:
        raise CloudError(
            f"{declared.title!r} is on {owner!r}, which is no container group of this stack, and no environment, vault "
            "or service of a storage account either."
        )
    if unknown := {each["category"] for each in declared.inputs.get("logs") or []} - categories:
        raise CloudError(f"{declared.title!r} asks for {sorted(unknown)}. Allowed: {sorted(categories)}.")
    return {"id": f"{owner}/providers/Microsoft.Insights/diagnosticSettings/{declared.title}"}


def identity(scene: Scene, declared: Declared) -> Properties:
    """Add an identity to the directory."""
    machine = scene.machine
    client_id, principal_id = (machine.data.uuid(f"{kind} {declared.id}") for kind in ("client", "principal"))
    machine.directory.add_identity(client_id, principal_id)
    machine.identities[declared.id.lower()] = client_id
    return {"clientId": client_id, "location": scene.location, "principalId": principal_id, "tenantId": scene.tenant}


def insights(scene: Scene, declared: Declared) -> Properties:
    """Name an Application Insights component; telemetry stays in the logs of the data folder."""
    key = scene.machine.data.uuid(f"insights {declared.id}")
    return {"appId": key, "connectionString": f"InstrumentationKey={key}", "instrumentationKey": key}


def plan(scene: Scene, _declared: Declared) -> Properties:
    """Name a plan; this machine is its capacity."""
    return {"location": scene.location, "provisioningState": "Succeeded"}


def registry(scene: Scene, _declared: Declared) -> Properties:
    """Name a registry; images stay in the data folder or in the Docker engine, and are called after its sign-in."""
    return {"location": scene.location, "loginServer": scene.machine.registry.login_server}


def registry_credentials(scene: Scene, inputs: Properties) -> Properties:
    """Return the admin user of a registry."""
    name = inputs["registryName"]
    password = scene.machine.data.key(f"registry {name}")
    passwords = [{"name": kind, "value": password} for kind in ("password", "password2")]
    return {"passwords": passwords, "username": name}


def resource_group(scene: Scene, declared: Declared) -> Properties:
    """Name a resource group; without a name of its own it gets the one that Pulumi would choose."""
    data = scene.machine.data
    name = declared.inputs.get("resourceGroupName") or declared.title + data.suffix(f"group {declared.title}")
    identifier = f"/subscriptions/{scene.subscription}/resourceGroups/{name}"
    return {"id": identifier, "location": scene.location, "name": name}


def role_assignment(scene: Scene, declared: Declared) -> Properties:
    """Give a principal a role.

    Raises:
        CloudError: the principal has it already, there is no such role, its condition cannot be read, or it would end
            with a container group, whose next one of the same name a new role reaches minutes later.
    """
    inputs = declared.inputs
    text = inputs.get("condition")
    if bool(text) != (inputs.get("conditionVersion") == CONDITION_VERSION):
        raise CloudError(f"{declared.title!r} must have a condition and the version {CONDITION_VERSION!r}, or neither.")
    scope, principal_id, role = inputs["scope"], inputs["principalId"], inputs["roleDefinitionId"]
    if "/microsoft.containerinstance/containergroups/" in scope.lower():
        raise CloudError(
            f"{declared.title!r} gives a role on {scope}, which every new image makes anew, and the role with it. Give "
            "it on the resource group."
        )
    name = scene.machine.data.uuid(f"role {scope} {principal_id} {role}".lower())
    try:
        is_new = scene.machine.directory.add_role(principal_id, scope, role, parse(text) if text else None)
    except (ConditionError, UnknownRoleError) as error:
        raise CloudError(f"{declared.title!r} cannot be given: {error}") from error
    if not is_new:
        raise CloudError(f"{declared.title!r} gives a role that its principal has at {scope} already. Leave one out.")
    return {"id": f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}", "name": name}


def role_definition(scene: Scene, declared: Declared) -> Properties:
    """Make a role.

    Raises:
        CloudError: another one has its name, which Azure takes once in a tenant.
    """
    machine, inputs = scene.machine, declared.inputs
    name = machine.data.uuid(f"role definition {inputs['scope']} {declared.title}".lower())
    if inputs["roleName"] in machine.role_names:
        raise CloudError(f"{declared.title!r} has the name {inputs['roleName']!r}, which another role has already.")
    machine.role_names.add(inputs["roleName"])
    (given,) = inputs["permissions"]
    if given.get("notActions") or given.get("notDataActions"):
        raise CloudError(f"{declared.title!r} takes something back by not actions, which is not played here.")
    machine.directory.define(
        name, Permissions(actions=given.get("actions") or [], data_actions=given.get("dataActions") or [])
    )
    return {"id": f"{inputs['scope']}/providers/Microsoft.Authorization/roleDefinitions/{name}", "name": name}


def role_wait(_scene: Scene, _declared: Declared) -> Properties:
    """Wait for nothing: a role is in force here once it is given."""
    return {}


def secret(_scene: Scene, declared: Declared) -> Properties:
    """Name a secret; nothing here reads it, so its value is not kept."""
    uri = f"https://{declared.inputs['vaultName']}.vault.azure.net/secrets/{declared.name}"
    return {"properties": {"secretUri": uri}}


def vault(scene: Scene, declared: Declared) -> Properties:
    """Name a vault."""
    properties = {**declared.inputs["properties"], "vaultUri": f"https://{declared.name}.vault.azure.net/"}
    return {"location": scene.location, "properties": properties}


def workspace(scene: Scene, declared: Declared) -> Properties:
    """Name a Log Analytics workspace; logs stay in the data folder."""
    return {"customerId": scene.machine.data.uuid(f"workspace {declared.id}"), "location": scene.location}


INVOKES: Final[Mapping[str, InvokeHandler]] = {
    "azure-native:authorization:getClientConfig": client_config,
    "azure-native:authorization:getClientToken": client_token,
    "azure-native:containerregistry:listRegistryCredentials": registry_credentials,
}
RESOURCES: Final[Mapping[str, ResourceHandler]] = {
    "azure-native:applicationinsights:Component": insights,
    "azure-native:authorization:RoleAssignment": role_assignment,
    "azure-native:authorization:RoleDefinition": role_definition,
    "azure-native:containerregistry:Registry": registry,
    "azure-native:keyvault:Secret": secret,
    "azure-native:keyvault:Vault": vault,
    "azure-native:managedidentity:UserAssignedIdentity": identity,
    "azure-native:monitor:ActionGroup": alert,
    "azure-native:monitor:DiagnosticSetting": diagnostic_setting,
    "azure-native:monitor:MetricAlert": alert,
    "azure-native:monitor:ScheduledQueryRule": alert,
    "azure-native:operationalinsights:Workspace": workspace,
    "azure-native:resources:ResourceGroup": resource_group,
    "azure-native:web:AppServicePlan": plan,
    "pulumi-python:dynamic/authorization:RoleWait": role_wait,
}
