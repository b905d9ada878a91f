"""The container groups that run the worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import containerinstance, monitor

from infra.components.monitoring import Monitoring
from infra.components.worker import CONTAINER, HEALTH_PATH, SHARE_VOLUME, WorkerArgs
from infra.settings.naming import SHARE_MOUNT
from pipeline_app.worker.settings import HEALTH_PORT

GROUP_ID = "{0}/providers/Microsoft.ContainerInstance/containerGroups/{1}"

# The SDK has container groups in a preview version of the API alone, 2024-05-01-preview in 3.29; for any other the CLI
# generates a package. What is used here the stable versions have as well, and a test sees to it that this stays so.

# The categories of a group's logs, which are the names of their tables in Log Analytics as well.
# Source: https://learn.microsoft.com/azure/container-instances/monitor-azure-container-instances-reference
LOG_CATEGORIES = ("ContainerEvent", "ContainerInstanceLog")
LOG_TABLES = "Dedicated"

# Every change makes a new group, which runs at once. Most of these Container Instances refuses as updates; of a new
# image or environment its documents say both, and a group at rest may refuse any update, while a new group takes all.
# Sources: https://learn.microsoft.com/azure/container-instances/container-instances-update,
# https://github.com/hashicorp/terraform-provider-azurerm/issues/21308
REPLACE_ON_CHANGES = [
    "containers",
    "identity",
    "imageRegistryCredentials",
    "ipAddress",
    "osType",
    "restartPolicy",
    "volumes",
]


@dataclass(frozen=True, kw_only=True)
class WorkerGroupArgs:
    """One container group, of an operating system, and the worker in it."""

    os_type: str
    worker: WorkerArgs


class WorkerGroup(pulumi.ComponentResource):
    """A container group that runs the worker once and stays terminated until it is started again.

    What the worker prints, and what the platform says of the group, goes to Log Analytics.
    """

    group_id: pulumi.Output[str]
    group_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkerGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:WorkerGroup", name, None, opts)
        worker = args.worker
        group = containerinstance.ContainerGroup(
            name,
            # The name is kept, so that the id in the function's settings and the alerts outlives every new image.
            container_group_name=name,
            containers=[_worker(worker)],
            identity=containerinstance.ContainerGroupIdentityArgs(
                type=containerinstance.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[worker.identity.identity_id],
            ),
            image_registry_credentials=_credentials(worker),
            os_type=containerinstance.OperatingSystemTypes(args.os_type),
            resource_group_name=worker.placement.resource_group_name,
            restart_policy=containerinstance.ContainerGroupRestartPolicy.NEVER,
            tags=worker.placement.tags,
            volumes=[
                containerinstance.VolumeArgs(
                    azure_file=containerinstance.AzureFileVolumeArgs(
                        share_name=worker.storage.share.name,
                        storage_account_key=worker.storage.account_key,
                        storage_account_name=worker.storage.account_name,
                    ),
                    name=SHARE_VOLUME,
                )
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                # Creating a group runs it.
                depends_on=worker.needs,
                # Azure takes no tags in an update of a group, and a new group for a tag would stop running work.
                # Source: https://github.com/hashicorp/terraform-provider-azurerm, container_group_resource.go
                ignore_changes=["tags"],
                replace_on_changes=REPLACE_ON_CHANGES,
            ),
        )
        if worker.logs:
            _send_logs(f"{name}-logs", group, worker.monitoring, self)
        # It is that of the group, which the platform gives after its end too; taken from the group, a preview of each
        # new image would not know it, and announce a change of whatever is told of it.
        self.group_id = pulumi.Output.format(GROUP_ID, worker.placement.resource_group_id, name)
        self.group_name = group.name
        self.register_outputs({"group_id": self.group_id, "group_name": self.group_name})


def _credentials(worker: WorkerArgs) -> pulumi.Output[Sequence[containerinstance.ImageRegistryCredentialArgs] | None]:
    def credentials(found: Sequence[Any]) -> Sequence[containerinstance.ImageRegistryCredentialArgs] | None:
        server, identity_id = found
        if server is None:
            return None
        return [containerinstance.ImageRegistryCredentialArgs(identity=identity_id, server=server)]

    return pulumi.Output.all(worker.pull.server, worker.identity.identity_id).apply(credentials)


def _send_logs(
    name: str, group: containerinstance.ContainerGroup, monitoring: Monitoring, parent: pulumi.Resource
) -> None:
    """Send what a group prints, and what the platform says of it, to Log Analytics.

    Applying it restarts the group, so it comes right behind the group, which has hardly begun to work. It goes before
    the group does: left behind, it would be there again on a new group of the same name.
    Sources: https://learn.microsoft.com/azure/container-instances/monitor-azure-container-instances-reference,
    https://learn.microsoft.com/azure/azure-monitor/platform/diagnostic-settings
    """
    monitor.DiagnosticSetting(
        name,
        log_analytics_destination_type=LOG_TABLES,
        logs=[monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in LOG_CATEGORIES],
        resource_uri=group.id,
        workspace_id=monitoring.workspace_id,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _worker(worker: WorkerArgs) -> containerinstance.ContainerArgs:
    return containerinstance.ContainerArgs(
        environment_variables=[
            containerinstance.EnvironmentVariableArgs(name=key, value=value)
            for key, value in worker.variables().items()
        ],
        image=worker.image,
        liveness_probe=containerinstance.ContainerProbeArgs(
            failure_threshold=3,
            http_get=containerinstance.ContainerHttpGetArgs(
                path=HEALTH_PATH, port=HEALTH_PORT, scheme=containerinstance.Scheme.HTTP
            ),
            initial_delay_seconds=15,
            period_seconds=20,
            timeout_seconds=5,
        ),
        name=CONTAINER,
        ports=[
            containerinstance.ContainerPortArgs(
                port=HEALTH_PORT, protocol=containerinstance.ContainerNetworkProtocol.TCP
            )
        ],
        resources=containerinstance.ResourceRequirementsArgs(
            requests=containerinstance.ResourceRequestsArgs(cpu=worker.cpu, memory_in_gb=worker.memory_gib)
        ),
        volume_mounts=[containerinstance.VolumeMountArgs(mount_path=SHARE_MOUNT, name=SHARE_VOLUME)],
    )
