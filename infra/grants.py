"""What each identity may do: exactly the roles that it needs, each at the narrowest scope that it works at."""

from __future__ import annotations

from collections.abc import Mapping

from infra.image_pull import PULL_GIVEN_IMAGE, PULL_IMAGE
from infra.monitoring import Monitoring
from infra.placement import Placement
from infra.registry import Registry
from infra.roles import Grant, Role
from infra.storage import ApplicationStorage, ArtifactStorage


def function_grants(
    artifacts: ArtifactStorage,
    storage: ApplicationStorage,
    placement: Placement,
    monitoring: Monitoring,
    start_role_id: str | None,
) -> Mapping[str, Grant]:
    """Return what the function may do, by a name that says what for.

    Args:
        artifacts: the account with the function's packages.
        storage: the application's account.
        placement: the stack's resource group, which holds its container groups and no others.
        monitoring: where telemetry goes.
        start_role_id: the id of a role definition of one's own that allows to read and start container groups; None
            takes the built-in one.
    """
    return {
        # The Functions host keeps its locks, timers and keys in containers that it makes itself, and the sweep lists
        # inputs and receipts; the host's documentation asks for the owner role on the whole account.
        "host-storage": Grant(role=Role.STORAGE_BLOB_DATA_OWNER, scope=storage.account_id),
        "look-at-jobs": Grant(role=Role.STORAGE_QUEUE_DATA_READER, scope=storage.jobs_queue_id),
        "package": Grant(role=Role.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=artifacts.package_container_id),
        "publish-telemetry": Grant(role=Role.MONITORING_METRICS_PUBLISHER, scope=monitoring.insights_id),
        "send-jobs": Grant(role=Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, scope=storage.jobs_queue_id),
        "send-poison": Grant(role=Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, scope=storage.events_poison_queue_id),
        # A role on a group ends with the group, and a new one is in force minutes later, while each new image makes a
        # new group. The resource group is the narrowest scope that outlives it.
        # Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
        "start-workers": Grant(
            role=start_role_id or Role.CONTAINER_INSTANCES_CONTRIBUTOR, scope=placement.resource_group_id
        ),
        # The host gives an event back by Update Message, which the message processor role does not allow.
        "take-events": Grant(role=Role.STORAGE_QUEUE_DATA_CONTRIBUTOR, scope=storage.events_queue_id),
    }


def worker_grants(
    registry: Registry, storage: ApplicationStorage, given_registry_id: str | None = None
) -> Mapping[str, Grant]:
    """Return what the worker may do, by a name that says what for.

    ``given_registry_id`` is the ARM id of another registry that its image is in, or None.
    """
    given = {PULL_GIVEN_IMAGE: Grant(role=Role.ACR_PULL, scope=given_registry_id)} if given_registry_id else {}
    return given | {
        "files": Grant(role=Role.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=storage.container_id),
        # Renewing a claim is Update Message, which needs messages/write: the message processor role is not enough.
        "jobs": Grant(role=Role.STORAGE_QUEUE_DATA_CONTRIBUTOR, scope=storage.jobs_queue_id),
        "poison": Grant(role=Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, scope=storage.jobs_poison_queue_id),
        PULL_IMAGE: Grant(role=Role.ACR_PULL, scope=registry.registry_id),
    }
