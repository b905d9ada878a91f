"""What Azure itself does with a resource: what it refuses, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from infra.local.cloud.flex import refusal
from tests.engine.standin.cloud import CloudError
from tests.engine.standin.groups import check_group
from tests.engine.standin.jobs import ENVIRONMENT, JOB, check_environment, check_job
from tests.engine.standin.kinds import KINDS, SUBSCRIPTION, TENANT, Kind
from tests.engine.standin.names import MARKER, account_key, named, secret_of, stable_uuid
from tests.engine.standin.roles import ASSIGNMENT, DEFINITION, check_assignment, check_definition, check_key
from tests.engine.standin.wire import Properties, difference

# The categories of logs, by how the id of what has them ends. Sources:
# https://learn.microsoft.com/azure/container-instances/monitor-azure-container-instances-reference,
# https://learn.microsoft.com/azure/azure-monitor/reference/logs-index
LOG_CATEGORIES: Final = {
    r"/containerGroups/[^/]+": {"ContainerEvent", "ContainerInstanceLog"},
    r"/managedEnvironments/[^/]+": {"ContainerAppConsoleLogs", "ContainerAppSystemLogs"},
    r"/vaults/[^/]+": {"AuditEvent", "AzurePolicyEvaluationDetails"},
    r"/storageAccounts/[^/]+/(blob|queue)Services/default": {"StorageDelete", "StorageRead", "StorageWrite"},
}
# The services of an account are there with it.
SERVICE: Final = re.compile(r"(?<=/storageAccounts/)([^/]+)/(?:blob|queue)Services/default$")

GROUP: Final = "azure-native:containerinstance:ContainerGroup"
ID: Final = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^,\s]+")
IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
SETTING: Final = "azure-native:monitor:DiagnosticSetting"
TOPIC: Final = "azure-native:eventgrid:SystemTopic"


def check_new(content: dict[str, Any], token: str, resource_id: str, inputs: Properties) -> None:
    """Refuse what cannot be made: its parent or something that it refers to is missing, or its name is taken.

    Raises:
        CloudError: with Azure's code and reason.
    """
    kind = KINDS[token]
    resources = content["resources"]
    if resource_id in resources and not kind.singleton:
        raise CloudError(f"cannot create already existing resource '{resource_id}'")
    parent = kind.parent_id(inputs)
    if parent is not None and not _is_there(content, parent):
        raise CloudError(f"ParentResourceNotFound: there is no {parent}, which {resource_id} would be in")
    name = str(inputs[kind.name_parameter])
    if not re.fullmatch(kind.name_pattern, name):
        raise CloudError(f"InvalidResourceName: {name!r} does not match {kind.name_pattern}")
    if kind.global_name:
        taken = {each["name"].lower() for each in resources.values() if each["type"] == token}
        if token.endswith(":Vault") and name.lower() in content["vaults"]:
            raise CloudError("ConflictError: A vault with the same name already exists in deleted state")
        if name.lower() in taken:
            raise CloudError(f"NameNotAvailable: {name!r} is taken")
    if token == ASSIGNMENT:
        for other in resources.values():
            same = all(other["inputs"].get(key) == inputs[key] for key in ("principalId", "roleDefinitionId", "scope"))
            if other["type"] == token and same:
                raise CloudError("RoleAssignmentExists: the principal has this role at this scope")
    if token == DEFINITION:
        check_definition(content, inputs)
    if token == TOPIC:
        sources = [each["inputs"]["source"].lower() for each in resources.values() if each["type"] == token]
        if inputs["source"].lower() in sources:
            raise CloudError(
                f"InvalidRequest: There is an existing tracked system topic for the given source {inputs['source']}. "
                "Only one system topic is allowed per source."
            )
    if token == SETTING:
        _check_setting(resources, inputs)
    check_references(content, token, inputs)


def defend(content: dict[str, Any], account_id: str) -> None:
    """Let the scan for malware make the topic of a new account, in its resource group.

    Source: https://learn.microsoft.com/azure/defender-for-cloud/on-upload-malware-scanning
    """
    group, _, name = account_id.partition("/providers/Microsoft.Storage/storageAccounts/")
    topic = f"{name}-{stable_uuid(account_id)}"
    content["resources"][f"{group}/providers/Microsoft.EventGrid/systemTopics/{topic}"] = {
        "inputs": {"source": account_id},
        "name": topic,
        "outputs": {},
        "type": TOPIC,
    }


def check_references(content: dict[str, Any], token: str, inputs: Properties) -> None:
    """Refuse inputs that name what does not exist.

    Raises:
        CloudError: with Azure's code and reason.
    """
    resources = content["resources"]
    # Nobody looks at what an app's settings say.
    for reference in sorted(set(_ids({key: value for key, value in inputs.items() if key != "siteConfig"}))):
        if not _is_there(content, reference):
            raise CloudError(f"LinkedInvalidPropertyId: there is no {reference}")
    if token == GROUP:
        check_group(content, inputs)
    elif token == ENVIRONMENT:
        check_environment(inputs)
    elif token == JOB:
        check_job(content, inputs)
    elif token == "azure-native:storage:StorageAccount":
        check_key(content, inputs)
    elif token == "azure-native:web:WebApp":
        plan = resources.get(inputs["serverFarmId"])
        tier = (plan["inputs"].get("sku") or {}).get("tier") if plan else None
        if tier == "FlexConsumption" and (problem := refusal(inputs)):
            raise CloudError(problem)
    elif token == "azure-native:web:WebAppScmAllowed":
        if named(content, "azure-native:web:WebApp", inputs["name"]) is None:
            raise CloudError(f"ResourceNotFound: there is no app {inputs['name']!r}")
    elif token == ASSIGNMENT:
        principals = {each["outputs"].get("principalId") for each in resources.values() if each["type"] == IDENTITY}
        if inputs["principalType"] == "ServicePrincipal" and inputs["principalId"] not in principals:
            raise CloudError(f"PrincipalNotFound: there is no principal {inputs['principalId']}")
        check_assignment(content, inputs)
    elif token == "azure-native:eventgrid:SystemTopicEventSubscription":
        queue, letters = inputs["destination"], inputs["deadLetterDestination"]
        for needed in (
            f"{queue['resourceId']}/queueServices/default/queues/{queue['queueName']}",
            f"{letters['resourceId']}/blobServices/default/containers/{letters['blobContainerName']}",
        ):
            if needed not in resources:
                raise CloudError(f"ResourceNotFound: there is no {needed}")


def check_update(token: str, old: Properties, new: Properties) -> None:
    """Refuse changes that the service does not make in place.

    Raises:
        CloudError: with Azure's code and reason.
    """
    paths = [re.sub(r"\[\d+\]", "[]", path) for path in difference(old, new)]
    changed = {each for each in KINDS[token].fixed if any(path.startswith(each) for path in paths)}
    protection = [each.get("properties", {}).get("enablePurgeProtection") for each in (old, new)]
    if token.endswith(":Vault") and False in protection:
        raise CloudError('BadRequest: The property "enablePurgeProtection" cannot be set to false.')
    if changed:
        code = "InvalidContainerGroupUpdate" if token.endswith(":ContainerGroup") else "CannotBeUpdated"
        raise CloudError(f"{code}: {', '.join(sorted(changed))} of an existing resource cannot be changed")


def outputs(token: str, resource_id: str, inputs: Properties, known: set[str]) -> Properties:
    """Return what the service answers about a resource: its properties without secrets, and what the service adds.

    Args:
        token: the type.
        resource_id: the id.
        inputs: as checked.
        known: the names of the outputs that the type has.
    """
    kind = KINDS[token]
    name = str(inputs[kind.name_parameter])
    shown = {key: _public(kind, value) for key, value in inputs.items() if key in known}
    if isinstance(identity := shown.get("identity"), dict):
        identity["userAssignedIdentities"] = {
            each: {"clientId": stable_uuid(f"{each}/client"), "principalId": stable_uuid(f"{each}/principal")}
            for each in identity["userAssignedIdentities"]
        }
    if isinstance(site := shown.get("siteConfig"), dict):
        # Settings have an address of their own.
        site.pop("appSettings", None)
    added = {"name": name, "type": token} | shown | _added(token, resource_id, name, inputs)
    return {key: value for key, value in added.items() if key in known}


def invoke(content: dict[str, Any], token: str, arguments: Properties) -> Properties:
    """Answer a function of the provider.

    Raises:
        CloudError: what it is asked about does not exist, or the function is not played.
    """
    if token == "azure-native:authorization:getClientConfig":
        return {
            "clientId": stable_uuid("client"),
            "objectId": stable_uuid("object"),
            "subscriptionId": SUBSCRIPTION,
            "tenantId": TENANT,
        }
    owner = {
        "azure-native:containerregistry:listRegistryCredentials": "azure-native:containerregistry:Registry",
        "azure-native:eventgrid:getSystemTopic": TOPIC,
        "azure-native:storage:listStorageAccountKeys": "azure-native:storage:StorageAccount",
    }.get(token)
    if owner is None:
        raise CloudError(f"NotPlayed: the stand-in does not play {token}")
    resource_id = KINDS[owner].resource_id(arguments)
    if resource_id not in content["resources"]:
        raise CloudError(f"ResourceNotFound: there is no {resource_id}")
    name = resource_id.rpartition("/")[2]
    if token.endswith("getSystemTopic"):
        source = content["resources"][resource_id]["inputs"]["source"]
        return {"id": resource_id, "location": "global", "name": name, "source": source, "type": TOPIC}
    key = account_key(content, name) if token.endswith("listStorageAccountKeys") else secret_of(name)
    if token.endswith("listRegistryCredentials"):
        return {"passwords": [{"name": "password", "value": key}], "username": name}
    return {"keys": [{"creationTime": "2024-01-01T00:00:00Z", "keyName": "key1", "permissions": "FULL", "value": key}]}


def _added(token: str, resource_id: str, name: str, inputs: Properties) -> Properties:
    match token.rpartition(":")[2]:
        case "Blob":
            return {"url": f"https://{inputs['accountName']}.blob.core.windows.net/{inputs['containerName']}/{name}"}
        case "Component":
            key = f"{MARKER}-{stable_uuid(resource_id)}"
            return {"connectionString": f"InstrumentationKey={key}", "instrumentationKey": key}
        case "Registry":
            return {"loginServer": f"{name}.azurecr.io"}
        case "RoleAssignment" | "RoleDefinition":
            return {"createdOn": datetime.now(UTC).isoformat()}
        case "StorageAccount":
            services = ("blob", "file", "queue", "table")
            return {
                "primaryEndpoints": {each: f"https://{name}.{each}.core.windows.net/" for each in services},
                "provisioningState": "Succeeded",
            }
        case "UserAssignedIdentity":
            return {
                "clientId": stable_uuid(f"{resource_id}/client"),
                "principalId": stable_uuid(f"{resource_id}/principal"),
                "tenantId": TENANT,
            }
        case "Vault":
            return {"properties": inputs["properties"] | {"vaultUri": f"https://{name}.vault.azure.net/"}}
        case "WebApp":
            return {"defaultHostName": f"{name}.azurewebsites.net", "state": "Running"}
        case "Workspace":
            return {"customerId": stable_uuid(resource_id)}
    return {}


def _is_there(content: dict[str, Any], resource_id: str) -> bool:
    """Tell whether a resource is there, as a service of an account that is, or a key of somebody else's, is too."""
    return SERVICE.sub(r"\1", resource_id) in content["resources"] or resource_id in content["keys"]


def _check_setting(resources: dict[str, Any], inputs: Properties) -> None:
    """Refuse a second setting of a resource that sends the same category to the same workspace.

    What a deleted resource left is there again on a new one of its name.
    Source: https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings
    """
    categories = {each["category"] for each in inputs["logs"]}
    found = [each for end, each in LOG_CATEGORIES.items() if re.search(f"{end}$", inputs["resourceUri"])]
    if unknown := categories - (found[0] if found else set()):
        raise CloudError(f"BadRequest: Category '{min(unknown)}' is not supported.")
    for other in resources.values():
        if other["type"] != SETTING or any(
            other["inputs"][key] != inputs[key] for key in ("resourceUri", "workspaceId")
        ):
            continue
        if both := categories & {each["category"] for each in other["inputs"]["logs"]}:
            raise CloudError(
                f"Conflict: Data sink '{inputs['workspaceId']}' is already used in diagnostic setting "
                f"'{other['name']}' for category '{min(both)}'."
            )


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, str):
        yield from ID.findall(value)


def _public(kind: Kind, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _public(kind, item) for key, item in value.items() if key not in kind.secret}
    return [_public(kind, item) for item in value] if isinstance(value, list) else value
