"""An identity of a workload together with everything it may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity

from infra.components.placement import Placement
from infra.components.roles import Grant, assign


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """Where the identity lives and its grants by name."""

    grants: Mapping[str, Grant]
    placement: Placement


class WorkloadIdentity(pulumi.ComponentResource):
    """A user-assigned identity and its role assignments.

    Whatever depends on the component waits for the roles too; ``assignments`` has them by the names of the grants.
    """

    assignments: Mapping[str, authorization.RoleAssignment]
    client_id: pulumi.Output[str]
    identity_id: pulumi.Output[str]
    principal_id: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:WorkloadIdentity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = managedidentity.UserAssignedIdentity(
            name, resource_group_name=args.placement.resource_group_name, tags=args.placement.tags, opts=child
        )
        self.assignments = {
            purpose: assign(f"{name}-{purpose}", grant, principal_id=identity.principal_id, opts=child)
            for purpose, grant in args.grants.items()
        }
        self.client_id = identity.client_id
        self.identity_id = identity.id
        self.principal_id = identity.principal_id
        self.register_outputs(
            {"client_id": self.client_id, "identity_id": self.identity_id, "principal_id": self.principal_id}
        )
