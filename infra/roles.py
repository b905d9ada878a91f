"""The built-in roles by name, and giving one to a principal at a scope."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import authorization


class Role(Enum):
    """Built-in Azure roles by the id of their definition, which is the same in every tenant."""

    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    CONTAINER_INSTANCES_CONTRIBUTOR = "5d977122-f97e-4b4d-a52f-6b43003ddb4d"
    KEY_VAULT_SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
    MONITORING_METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
    STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    STORAGE_BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
    STORAGE_QUEUE_DATA_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    STORAGE_QUEUE_DATA_MESSAGE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
    STORAGE_QUEUE_DATA_READER = "19e7f393-937e-4f77-808e-94535e297925"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One role at one scope (the ARM id of a resource).

    ``role`` is a built-in one, or the id of the definition of a role of one's own, a GUID.
    """

    role: Role | str
    scope: pulumi.Input[str]


def assign(
    name: str,
    grant: Grant,
    *,
    principal_id: pulumi.Input[str],
    principal_type: authorization.PrincipalType = authorization.PrincipalType.SERVICE_PRINCIPAL,
    opts: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Give a principal a role at a scope.

    The assignment's own name is left to the provider, since Azure refuses a second assignment of the same name, and
    the type of the principal is said, since Azure otherwise looks a fresh identity up in a directory that may not
    have heard of it.
    """
    client = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(parent=opts.parent))
    # What a person names may be in another subscription, and a definition is looked up in that of the scope.
    subscription = grant.scope.split("/")[2] if isinstance(grant.scope, str) else client.subscription_id
    return authorization.RoleAssignment(
        name,
        principal_id=principal_id,
        principal_type=principal_type,
        role_definition_id=pulumi.Output.format(
            "/subscriptions/{0}/providers/Microsoft.Authorization/roleDefinitions/{1}",
            subscription,
            grant.role.value if isinstance(grant.role, Role) else grant.role,
        ),
        scope=grant.scope,
        # Azure changes nothing of an assignment, and takes no second one of the same role, principal and scope.
        # Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                delete_before_replace=True, replace_on_changes=["principalType", "roleDefinitionId"]
            ),
        ),
    )
