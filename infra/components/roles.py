"""The built-in roles by name, and giving a role to a principal at a scope, under a condition where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import authorization

from infra.components import conditions


class Role(Enum):
    """Built-in Azure roles by the id of their definition, which is the same in every tenant."""

    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    CONTAINER_APPS_JOBS_READER = "edd66693-d32a-450b-997d-0158c03976b0"
    CONTAINER_INSTANCES_CONTRIBUTOR = "5d977122-f97e-4b4d-a52f-6b43003ddb4d"
    KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
    KEY_VAULT_SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
    MONITORING_METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
    STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    STORAGE_BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
    STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    STORAGE_QUEUE_DATA_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    STORAGE_QUEUE_DATA_MESSAGE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
    STORAGE_QUEUE_DATA_READER = "19e7f393-937e-4f77-808e-94535e297925"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One role at one scope (the ARM id of a resource), for requests that meet a condition where there is one.

    ``role`` is a built-in one, or the id of the definition of another role, a GUID.
    """

    condition: str | None = None
    role: Role | pulumi.Input[str]
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
    is_workload = principal_type is authorization.PrincipalType.SERVICE_PRINCIPAL
    return authorization.RoleAssignment(
        name,
        condition=grant.condition,
        condition_version=conditions.VERSION if grant.condition else None,
        principal_id=principal_id,
        principal_type=principal_type,
        role_definition_id=pulumi.Output.format(
            "/subscriptions/{0}/providers/Microsoft.Authorization/roleDefinitions/{1}",
            subscription,
            grant.role.value if isinstance(grant.role, Role) else grant.role,
        ),
        scope=grant.scope,
        # Azure changes nothing of an assignment but its condition, and takes no second one of the same role, principal
        # and scope. A workload that gets another role keeps the one that it has until then; of a person another type
        # may be all that is changed.
        # Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                delete_before_replace=not is_workload, replace_on_changes=["principalType", "roleDefinitionId"]
            ),
        ),
    )
