"""The roles that the stack makes of its own, since each built-in one that would do may do more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import authorization

from infra.components.conditions import BLOBS
from infra.components.placement import Placement
from infra.components.roles import Role
from infra.deployer.role_wait import RoleWait
from infra.settings.runner_limits import RunnerKind

CUSTOM_ROLE: Final = "CustomRole"
APPS_JOBS: Final = "Microsoft.App/jobs"
GROUPS: Final = "Microsoft.ContainerInstance/containerGroups"
QUEUES: Final = "Microsoft.Storage/storageAccounts/queueServices/queues"

# A role is known everywhere some time after it was made, and an assignment of one that is not is refused. Nobody says
# how long that takes at most. Source: https://github.com/Azure/azure-rest-api-specs/issues/2135
KNOWN_SECONDS: Final = 60
# A role that anybody has cannot be deleted, and that nobody has it any more is known as late.
FREE_SECONDS: Final = 30


@dataclass(frozen=True, kw_only=True)
class OwnRole:
    """What a role allows: actions of Resource Manager, and actions on data.

    ``instead`` is the narrowest built-in role that allows as much.
    """

    actions: Sequence[str]
    data_actions: Sequence[str]
    description: str
    instead: Role
    title: str


# Unlike the built-in role it neither deletes nor makes containers, which no condition could keep it from.
PROCESS_FILES: Final = OwnRole(
    actions=(),
    data_actions=(f"{BLOBS}/delete", f"{BLOBS}/read", f"{BLOBS}/write"),
    description="Reads, writes and deletes blobs, and no container.",
    instead=Role.STORAGE_BLOB_DATA_CONTRIBUTOR,
    title="blobs",
)
# It neither makes, writes, deletes nor enters a container group.
RUN_GROUPS: Final = OwnRole(
    actions=(f"{GROUPS}/read", f"{GROUPS}/start/action", f"{GROUPS}/stop/action"),
    data_actions=(),
    description="Reads, starts and stops container groups.",
    instead=Role.CONTAINER_INSTANCES_CONTRIBUTOR,
    title="container groups",
)
# It neither starts nor stops an execution, which would keep Azure's scaler from starting any.
# Source: https://github.com/microsoft/azure-container-apps/issues/1506
LOOK_AT_EXECUTIONS: Final = OwnRole(
    actions=(f"{APPS_JOBS}/read", f"{APPS_JOBS}/executions/read"),
    data_actions=(),
    description="Reads Container Apps jobs and their executions.",
    instead=Role.CONTAINER_APPS_JOBS_READER,
    title="executions",
)
# Claims are renewed, and events given back, by Update Message, which asks for messages/write; the length of a queue is
# in its metadata, which an action of Resource Manager guards. Unlike the built-in role it neither clears, makes nor
# deletes a queue. Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
TAKE_MESSAGES: Final = OwnRole(
    actions=(f"{QUEUES}/read",),
    data_actions=(f"{QUEUES}/messages/process/action", f"{QUEUES}/messages/read", f"{QUEUES}/messages/write"),
    description="Takes, renews, writes and removes messages, and no queue.",
    instead=Role.STORAGE_QUEUE_DATA_CONTRIBUTOR,
    title="messages",
)


@dataclass(frozen=True, kw_only=True)
class StackRolesArgs:
    """Where the roles can be given, and for how many seconds at most a new one is waited for.

    ``custom`` is whether the stack makes roles at all: that takes a right that the deployer may not have.
    ``run_groups_id`` is the id of the definition of a role that is there already and runs container groups, or None.
    ``runner`` is what runs the worker.
    """

    custom: bool
    placement: Placement
    run_groups_id: str | None
    runner: RunnerKind
    wait_seconds: int


class StackRoles(pulumi.ComponentResource):
    """A role for each purpose: one of the stack's own, one that was named, or a built-in one."""

    process_files: Role | pulumi.Input[str]
    see_to_workers: Role | pulumi.Input[str]
    take_messages: Role | pulumi.Input[str]

    def __init__(self, name: str, args: StackRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:StackRoles", name, None, opts)
        self.process_files = _made(f"{name}-process-files", PROCESS_FILES, args, self)
        if args.runner == "containerAppsJob":
            self.see_to_workers = _made(f"{name}-look-at-executions", LOOK_AT_EXECUTIONS, args, self)
        else:
            self.see_to_workers = args.run_groups_id or _made(f"{name}-run-groups", RUN_GROUPS, args, self)
        self.take_messages = _made(f"{name}-take-messages", TAKE_MESSAGES, args, self)
        self.register_outputs({})


def _made(name: str, role: OwnRole, args: StackRolesArgs, parent: pulumi.Resource) -> Role | pulumi.Input[str]:
    if not args.custom:
        return role.instead
    definition = authorization.RoleDefinition(
        name,
        assignable_scopes=[args.placement.resource_group_id],
        description=role.description,
        permissions=[
            authorization.PermissionArgs(
                actions=list(role.actions), data_actions=list(role.data_actions), not_actions=[], not_data_actions=[]
            )
        ],
        # Two roles of a tenant cannot have the same name; that of the group ends in what the provider made up.
        role_name=pulumi.Output.concat("File pipeline ", role.title, ", ", args.placement.resource_group_name),
        role_type=CUSTOM_ROLE,
        scope=args.placement.resource_group_id,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    known = RoleWait(
        f"{name}-known",
        assignment_id=definition.id,
        created_on=definition.created_on,
        free_seconds=min(args.wait_seconds, FREE_SECONDS),
        seconds=min(args.wait_seconds, KNOWN_SECONDS),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    # Whoever takes the role's id from here waits until it is known.
    return pulumi.Output.all(definition.name, known.id).apply(lambda found: str(found[0]))
