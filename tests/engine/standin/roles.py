"""What Azure refuses of roles and of giving them.

Sources: https://learn.microsoft.com/azure/role-based-access-control/custom-roles,
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting,
https://learn.microsoft.com/azure/role-based-access-control/conditions-format
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from infra.local.services.built_in_roles import BUILT_IN, Permissions, pattern
from infra.local.services.conditions import VERSION, ConditionError, Expression, parse
from tests.engine.standin.cloud import CloudError
from tests.engine.standin.names import stable_uuid
from tests.engine.standin.wire import Properties

ASSIGNMENT: Final = "azure-native:authorization:RoleAssignment"
DEFINITION: Final = "azure-native:authorization:RoleDefinition"


# Key Vault Crypto Service Encryption User.
CRYPTO_USER: Final = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants to do: an action or a data action, on what scope, and what a condition may look at.

    ``path`` is the name of a blob that is read or changed, ``prefix`` what a listing asks for.
    """

    action: str
    path: str | None = None
    prefix: str | None = None
    scope: str


def allows(permissions: Permissions, condition: str | None, wanted: Wanted) -> bool:
    """Tell whether a role that is given under a condition, where there is one, allows what is wanted at its scope."""
    if permissions.allows(wanted.action):
        return True
    if not any(pattern(each).fullmatch(wanted.action) for each in permissions.data_actions):
        return False
    return condition is None or holds(parse(condition), wanted)


def holds(expression: Expression, wanted: Wanted) -> bool:
    """Tell whether a condition is met; what is not there meets no comparison."""
    kind, *rest = expression
    match kind:
        case "all":
            return all(holds(each, wanted) for each in rest)
        case "any":
            return any(holds(each, wanted) for each in rest)
        case "not":
            return not holds(rest[0], wanted)
        case "action":
            return bool(wanted.action.lower() == rest[0].lower())
        case "suboperation":
            return wanted.path is None and wanted.action == f"{BLOBS}/read"
        case "compare":
            source, _, operator, text = rest
            value = wanted.path if source == "Resource" else wanted.prefix
            if value is None:
                return False
            return bool(value == text if operator == "StringEquals" else value.startswith(text))
    raise ValueError(expression)


def may(content: dict[str, Any], principals: Collection[str], wanted: Wanted) -> bool:
    """Tell whether one of the principals has a role that allows what is wanted."""
    for each in content["resources"].values():
        if each["type"] != ASSIGNMENT or each["inputs"]["principalId"] not in principals:
            continue
        if not f"{wanted.scope}/".startswith(f"{each['inputs']['scope']}/"):
            continue
        permissions = permissions_of(content, each["inputs"]["roleDefinitionId"])
        if permissions is not None and allows(permissions, each["inputs"].get("condition"), wanted):
            return True
    return False


def permissions_of(content: dict[str, Any], definition_id: str) -> Permissions | None:
    """Return what a role allows, or None where there is no such role."""
    role = definition_id.rpartition("/")[2]
    if role in BUILT_IN:
        return BUILT_IN[role]
    for each in content["resources"].values():
        if each["type"] == DEFINITION and each["name"] == role:
            (given,) = each["inputs"]["permissions"]
            return Permissions(actions=given["actions"], data_actions=given["dataActions"])
    return None


def check_assignment(content: dict[str, Any], inputs: Properties) -> None:
    """Refuse an assignment of a role that is not known, or under a condition that is none.

    Raises:
        CloudError: with Azure's code and reason.
    """
    condition, version = inputs.get("condition"), inputs.get("conditionVersion")
    if condition:
        try:
            parse(condition)
        except ConditionError as error:
            raise CloudError(f"InvalidCondition: {error}") from error
    if bool(condition) != (version == VERSION):
        raise CloudError(f"InvalidConditionVersion: {version!r} with the condition {condition!r}")
    role = inputs["roleDefinitionId"].rpartition("/")[2]
    if role in BUILT_IN:
        return
    made = [each for each in content["resources"].values() if each["type"] == DEFINITION and each["name"] == role]
    if not made:
        raise CloudError(f"RoleDefinitionDoesNotExist: there is no role {role}")
    (definition,) = made
    # Other servers hear of a role later than the one that made it.
    age = time.time() - datetime.fromisoformat(definition["outputs"]["createdOn"]).timestamp()
    if age < content["definition_seconds"]:
        raise CloudError(f"RoleDefinitionDoesNotExist: the role {role} is not known yet")
    scopes = definition["inputs"]["assignableScopes"]
    if not any(f"{inputs['scope']}/".startswith(f"{scope}/") for scope in scopes):
        raise CloudError(f"RoleDefinitionNotAssignable: {role} can be given in {', '.join(scopes)} alone")


def check_definition(content: dict[str, Any], inputs: Properties) -> None:
    """Refuse a role that the deployer may not make, or whose name is taken.

    Raises:
        CloudError: with Azure's code and reason.
    """
    if not content["may_define_roles"]:
        raise CloudError(
            "AuthorizationFailed: The client does not have authorization to perform action "
            f"'Microsoft.Authorization/roleDefinitions/write' over scope '{inputs['scope']}'"
        )
    names = [each["inputs"]["roleName"] for each in content["resources"].values() if each["type"] == DEFINITION]
    if inputs["roleName"] in names:
        raise CloudError(f"RoleDefinitionWithSameNameExists: there is a role {inputs['roleName']!r}")


def check_key(content: dict[str, Any], account: Properties) -> None:
    """Refuse an account that is to use a key which its identity may not use, or not yet.

    Source: https://learn.microsoft.com/azure/storage/common/customer-managed-keys-configure-new-account

    Raises:
        CloudError: with Azure's code and reason.
    """
    encryption = account.get("encryption") or {}
    if encryption.get("keySource") != "Microsoft.Keyvault":
        return
    key = encryption["keyVaultProperties"]
    identity = encryption["encryptionIdentity"]["encryptionUserAssignedIdentity"]
    vault = key["keyVaultUri"].removeprefix("https://").partition(".")[0]
    known = [each for each in content["keys"] if each.lower().endswith(f"/vaults/{vault}/keys/{key['keyName']}")]
    if not known or identity not in account["identity"]["userAssignedIdentities"]:
        raise CloudError(f"KeyVaultKeyNotFound: there is no key {key} for {identity}")
    given = [
        datetime.fromisoformat(each["outputs"]["createdOn"]).timestamp()
        for each in content["resources"].values()
        if each["type"] == ASSIGNMENT
        and each["inputs"]["scope"] in known
        and each["inputs"]["principalId"] == stable_uuid(f"{identity}/principal")
        and each["inputs"]["roleDefinitionId"].endswith(CRYPTO_USER)
    ]
    if not given or time.time() - min(given) < content["role_seconds"]:
        raise CloudError(f"KeyVaultAuthenticationFailure: {identity} may not use {known[0]} yet")


def check_deletion(content: dict[str, Any], resource_id: str) -> None:
    """Refuse the end of a role that somebody has.

    Raises:
        CloudError: with Azure's code and reason.
    """
    resource = content["resources"].get(resource_id)
    if resource is None or resource["type"] != DEFINITION:
        return
    given = [
        each["name"]
        for each in content["resources"].values()
        if each["type"] == ASSIGNMENT and each["inputs"]["roleDefinitionId"].endswith(f"/{resource['name']}")
    ]
    if given:
        raise CloudError(f"RoleDefinitionHasAssignments: {', '.join(given)}")
