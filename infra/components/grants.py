"""What each identity may do: exactly the roles that it needs, each at the narrowest scope that it works at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from infra.components.conditions import worker_condition
from infra.components.image_pull import PULL_GIVEN_IMAGE, PULL_IMAGE
from infra.components.monitoring import Monitoring
from infra.components.placement import Placement
from infra.components.registry import Registry
from infra.components.roles import Grant, Role
from infra.components.stack_roles import StackRoles
from infra.components.storage import ApplicationStorage, ArtifactStorage, HostStorage
from infra.settings.runner_limits import RunnerKind
from pipeline_app.contract import StorageNames

# What the grant is called by which the function sees to the workers: it starts groups, and looks after Azure's scaler.
SEE_TO_WORKERS: Final[Mapping[RunnerKind, str]] = {
    "containerAppsJob": "look-at-executions",
    "containerInstances": "start-workers",
}


def function_grants(
    artifacts: ArtifactStorage,
    host: HostStorage,
    storage: ApplicationStorage,
    placement: Placement,
    monitoring: Monitoring,
    roles: StackRoles,
    runner: RunnerKind,
) -> Mapping[str, Grant]:
    """Return what the function may do, by a name that says what for.

    Args:
        artifacts: the account with the function's packages.
        host: the account of the Functions host, with nothing else in it.
        storage: the application's account.
        placement: the stack's resource group, which holds what runs its workers and no others.
        monitoring: where telemetry goes.
        roles: the stack's roles.
        runner: what runs the workers.
    """
    return {
        # A role on a group or job ends with it, and a new one is in force minutes later, while each new image makes a
        # new group. The resource group is the narrowest scope that outlives it.
        # Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
        SEE_TO_WORKERS[runner]: Grant(role=roles.see_to_workers, scope=placement.resource_group_id),
        # The Functions host keeps its locks, timers and keys in containers that it makes itself, so its documentation
        # asks for the owner role on a whole account.
        # Source: https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
        "host": Grant(role=Role.STORAGE_BLOB_DATA_OWNER, scope=host.account_id),
        # What the sweep remembers.
        "keep-state": Grant(role=Role.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=storage.state_container_id),
        # The sweep lists inputs and looks at receipts.
        "look-at-files": Grant(role=Role.STORAGE_BLOB_DATA_READER, scope=storage.container_id),
        "look-at-jobs": Grant(role=Role.STORAGE_QUEUE_DATA_READER, scope=storage.jobs_queue_id),
        "package": Grant(role=Role.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=artifacts.package_container_id),
        "publish-telemetry": Grant(role=Role.MONITORING_METRICS_PUBLISHER, scope=monitoring.insights_id),
        "send-jobs": Grant(role=Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, scope=storage.jobs_queue_id),
        "send-poison": Grant(role=Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, scope=storage.events_poison_queue_id),
        # The host gives an event back by Update Message, which the message processor role does not allow.
        "take-events": Grant(role=roles.take_messages, scope=storage.events_queue_id),
    }


def worker_grants(
    registry: Registry,
    storage: ApplicationStorage,
    names: StorageNames,
    roles: StackRoles,
    given_registry_id: str | None = None,
) -> Mapping[str, Grant]:
    """Return what the worker may do, by a name that says what for.

    Args:
        registry: the stack's own registry.
        storage: the application's account.
        names: the paths that it reads below and writes below.
        roles: the stack's roles.
        given_registry_id: ARM id of another registry that its image is in, or None.
    """
    given = {PULL_GIVEN_IMAGE: Grant(role=Role.ACR_PULL, scope=given_registry_id)} if given_registry_id else {}
    return given | {
        "files": Grant(
            condition=worker_condition(names.input_path, names.output_path),
            role=roles.process_files,
            scope=storage.container_id,
        ),
        "jobs": Grant(role=roles.take_messages, scope=storage.jobs_queue_id),
        "poison": Grant(role=Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, scope=storage.jobs_poison_queue_id),
        PULL_IMAGE: Grant(role=Role.ACR_PULL, scope=registry.registry_id),
    }
