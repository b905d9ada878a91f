"""The container groups that run the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerinstance

from infra.connections import storage_settings
from infra.identities import WorkloadIdentity
from infra.image_pull import ImagePull
from infra.monitoring import Monitoring
from infra.naming import SHARE_MOUNT
from infra.placement import Placement
from infra.share_files import ShareFiles
from infra.storage import ApplicationStorage
from pipeline_app.contract import StorageNames

HEALTH_PATH = "/healthz"
HEALTH_PORT = 5000
SHARE_VOLUME = "share"

# Container Instances refuses these as updates of a group; a change needs a new group. What is not listed, such as the
# image and the environment, is updated in place, which keeps the group's id and the function's role on it.
# Source: https://learn.microsoft.com/azure/container-instances/container-instances-update
REPLACE_ON_CHANGES = [
    "containers[*].livenessProbe",
    "containers[*].name",
    "containers[*].ports",
    "containers[*].resources",
    "containers[*].volumeMounts",
    "diagnostics",
    "identity",
    "imageRegistryCredentials",
    "ipAddress",
    "osType",
    "restartPolicy",
    "volumes",
]


@dataclass(frozen=True, kw_only=True)
class WorkerGroupArgs:
    """One container group: ``cpu`` in cores, ``memory_gib`` in GiB.

    ``environment`` is what the worker is told besides its storage, its image and where the share is mounted.
    """

    cpu: float
    environment: Mapping[str, str]
    identity: WorkloadIdentity
    image: pulumi.Input[str]
    memory_gib: float
    monitoring: Monitoring
    names: StorageNames
    os_type: str
    placement: Placement
    pull: ImagePull
    share_files: ShareFiles
    storage: ApplicationStorage


class WorkerGroup(pulumi.ComponentResource):
    """A container group that runs the worker once and stays terminated until it is started again."""

    group_id: pulumi.Output[str]
    group_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkerGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:WorkerGroup", name, None, opts)
        group = containerinstance.ContainerGroup(
            name,
            # The name is kept, so that the id in the function's settings outlives every new image.
            container_group_name=name,
            containers=[_worker(args)],
            diagnostics=containerinstance.ContainerGroupDiagnosticsArgs(
                log_analytics=containerinstance.LogAnalyticsArgs(
                    log_type=containerinstance.LogAnalyticsLogType.CONTAINER_INSTANCE_LOGS,
                    workspace_id=args.monitoring.workspace_customer_id,
                    workspace_key=args.monitoring.workspace_key,
                )
            ),
            identity=containerinstance.ContainerGroupIdentityArgs(
                type=containerinstance.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[args.identity.identity_id],
            ),
            image_registry_credentials=args.pull.credentials,
            os_type=containerinstance.OperatingSystemTypes(args.os_type),
            resource_group_name=args.placement.resource_group_name,
            restart_policy=containerinstance.ContainerGroupRestartPolicy.NEVER,
            tags=args.placement.tags,
            volumes=[
                containerinstance.VolumeArgs(
                    azure_file=containerinstance.AzureFileVolumeArgs(
                        share_name=args.storage.share.name,
                        storage_account_key=args.storage.account_key,
                        storage_account_name=args.storage.account_name,
                    ),
                    name=SHARE_VOLUME,
                )
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                # Creating a group runs it: its roles and its config files have to be there.
                depends_on=[args.identity, args.pull, args.share_files],
                replace_on_changes=REPLACE_ON_CHANGES,
            ),
        )
        self.group_id = group.id
        self.group_name = group.name
        self.register_outputs({"group_id": self.group_id, "group_name": self.group_name})


def _environment(args: WorkerGroupArgs) -> dict[str, pulumi.Input[str]]:
    environment: dict[str, pulumi.Input[str]] = {
        "APP_IMAGE": args.image,
        "APP_SHARE_DIRECTORY": SHARE_MOUNT,
    }
    return environment | dict(args.environment) | storage_settings(args.storage, args.names, args.identity)


def _worker(args: WorkerGroupArgs) -> containerinstance.ContainerArgs:
    return containerinstance.ContainerArgs(
        environment_variables=[
            containerinstance.EnvironmentVariableArgs(name=key, value=value)
            for key, value in sorted(_environment(args).items())
        ],
        image=args.image,
        liveness_probe=containerinstance.ContainerProbeArgs(
            failure_threshold=3,
            http_get=containerinstance.ContainerHttpGetArgs(
                path=HEALTH_PATH, port=HEALTH_PORT, scheme=containerinstance.Scheme.HTTP
            ),
            initial_delay_seconds=15,
            period_seconds=20,
            timeout_seconds=5,
        ),
        name="worker",
        ports=[
            containerinstance.ContainerPortArgs(
                port=HEALTH_PORT, protocol=containerinstance.ContainerNetworkProtocol.TCP
            )
        ],
        resources=containerinstance.ResourceRequirementsArgs(
            requests=containerinstance.ResourceRequestsArgs(cpu=args.cpu, memory_in_gb=args.memory_gib)
        ),
        volume_mounts=[containerinstance.VolumeMountArgs(mount_path=SHARE_MOUNT, name=SHARE_VOLUME)],
    )
