"""The Container Apps job that runs the worker: as many executions as the jobs on the queue ask for, by Azure itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import app, monitor

from infra.components.worker import CONTAINER, HEALTH_PATH, SHARE_VOLUME, WorkerArgs
from infra.settings.naming import SHARE_MOUNT
from infra.settings.runner_limits import PROFILES
from pipeline_app.contract import JOBS_QUEUE
from pipeline_app.worker.settings import HEALTH_PORT

CONSUMPTION: Final = "Consumption"
JOB: Final = "worker"
JOB_ID: Final = "{0}/providers/Microsoft.App/jobs/{1}"
PROFILE: Final = "workers"

# The categories of an environment's logs that a job has, which are the names of their tables in Log Analytics as well.
# Source: https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/microsoft-app-managedenvironments-logs
LOG_CATEGORIES: Final = ("ContainerAppConsoleLogs", "ContainerAppSystemLogs")
LOG_DESTINATION: Final = "azure-monitor"

# Of a storage only the key is updated.
# Source: https://github.com/hashicorp/terraform-provider-azurerm, container_app_environment_storage_resource.go
REPLACE_SHARE: Final = [f"properties.azureFile.{each}" for each in ("accessMode", "accountName", "shareName")]
# A job stays in its environment. Source: the same, container_app_job_resource.go
REPLACE_JOB: Final = ["environmentId"]
# A profile with GPUs comes into an environment when that is made, and never later.
# Source: https://learn.microsoft.com/azure/container-apps/workload-profiles-overview
REPLACE_ENVIRONMENT: Final = ["workloadProfiles"]


@dataclass(frozen=True, kw_only=True)
class WorkerJobArgs:
    """The job, its scaler, and the worker in it.

    Attributes:
        max_executions: so many work side by side at most.
        polling_seconds: how often the scaler counts the messages.
        profile: type of the workload profile, or None for Consumption.
        queue_length: so many messages ask for one execution.
        replica_timeout_seconds: after which an execution is ended.
        worker: what each execution runs.
    """

    max_executions: int
    polling_seconds: int
    profile: str | None
    queue_length: int
    replica_timeout_seconds: int
    worker: WorkerArgs


class WorkerJob(pulumi.ComponentResource):
    """An environment with the share, and an event-driven job in it whose executions drain the queue and end.

    What a worker prints, and what the platform says of the job, goes to Log Analytics.
    """

    job_id: pulumi.Output[str]
    job_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkerJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:WorkerJob", name, None, opts)
        environment = app.ManagedEnvironment(
            f"{name}-environment",
            # Nothing is signed in to Log Analytics with a key: the diagnostic setting below sends the logs.
            app_logs_configuration=app.AppLogsConfigurationArgs(destination=LOG_DESTINATION),
            resource_group_name=args.worker.placement.resource_group_name,
            tags=args.worker.placement.tags,
            workload_profiles=_profiles(args),
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=REPLACE_ENVIRONMENT),
        )
        if args.worker.logs:
            monitor.DiagnosticSetting(
                f"{name}-logs",
                logs=[monitor.DiagnosticsLogSettingsArgs(category=each, enabled=True) for each in LOG_CATEGORIES],
                resource_uri=environment.id,
                workspace_id=args.worker.monitoring.workspace_id,
                opts=pulumi.ResourceOptions(parent=self),
            )
        share = app.ManagedEnvironmentsStorage(
            f"{name}-share",
            environment_name=environment.name,
            properties=app.ManagedEnvironmentStoragePropertiesArgs(
                azure_file=app.AzureFilePropertiesArgs(
                    access_mode=app.AccessMode.READ_WRITE,
                    account_key=args.worker.storage.account_key,
                    account_name=args.worker.storage.account_name,
                    share_name=args.worker.storage.share.name,
                )
            ),
            resource_group_name=args.worker.placement.resource_group_name,
            # Its name is left to the provider: another share is another storage, and the job moves there.
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=REPLACE_SHARE),
        )
        job = app.Job(
            f"{name}-job",
            configuration=_configuration(args),
            environment_id=environment.id,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[args.worker.identity.identity_id],
            ),
            job_name=JOB,
            resource_group_name=args.worker.placement.resource_group_name,
            tags=args.worker.placement.tags,
            template=_template(args, share.name),
            workload_profile_name=PROFILE if args.profile else CONSUMPTION,
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                replace_on_changes=REPLACE_JOB,
                # Its scaler may start an execution at once, which finds the logs' way open and the share mounted.
                depends_on=[*args.worker.needs, share],
            ),
        )
        # It is that of the job, which outlives every new image; taken from the job, a preview of its first deploy
        # would not know it.
        self.job_id = pulumi.Output.format(JOB_ID, args.worker.placement.resource_group_id, JOB)
        self.job_name = job.name
        self.register_outputs({"job_id": self.job_id, "job_name": self.job_name})


def _configuration(args: WorkerJobArgs) -> app.JobConfigurationArgs:
    """Return how executions are started: by the length of the queue, which the worker's own identity reads.

    The queue gives a file another attempt, so Azure makes none of an execution. Messages that a worker holds count, and
    so do those that become visible later. Sources: https://learn.microsoft.com/azure/container-apps/jobs,
    https://github.com/kedacore/keda, pkg/scalers/azure_queue_scaler.go
    """
    identity_id = args.worker.identity.identity_id

    def credentials(server: str | None) -> Sequence[app.RegistryCredentialsArgs]:
        return [app.RegistryCredentialsArgs(identity=identity_id, server=server)] if server else []

    return app.JobConfigurationArgs(
        event_trigger_config=app.JobConfigurationEventTriggerConfigArgs(
            parallelism=1,
            replica_completion_count=1,
            scale=app.JobScaleArgs(
                max_executions=args.max_executions,
                min_executions=0,
                polling_interval=args.polling_seconds,
                rules=[
                    app.JobScaleRuleArgs(
                        identity=identity_id,
                        metadata={
                            "accountName": args.worker.storage.account_name,
                            "queueLength": str(args.queue_length),
                            "queueName": JOBS_QUEUE,
                        },
                        name=JOBS_QUEUE,
                        type="azure-queue",
                    )
                ],
            ),
        ),
        registries=args.worker.pull.server.apply(
            lambda server: (
                [app.RegistryCredentialsArgs(identity=args.worker.identity.identity_id, server=server)]
                if server
                else []
            )
        ),
        replica_retry_limit=0,
        replica_timeout=args.replica_timeout_seconds,
        trigger_type=app.TriggerType.EVENT,
    )


def _profiles(args: WorkerJobArgs) -> Sequence[app.WorkloadProfileArgsDict]:
    # Their class would add enableFips unasked, which profiles of their own alone take.
    profiles = [app.WorkloadProfileArgsDict(name=CONSUMPTION, workload_profile_type=CONSUMPTION)]
    if args.profile is None:
        return profiles
    profile = PROFILES[args.profile]
    if profile.by_consumption:
        profiles.append(app.WorkloadProfileArgsDict(name=PROFILE, workload_profile_type=args.profile))
    else:
        # So many nodes that each execution has its place, and none while there is nothing to do.
        each = max(1, min(int(profile.cpu // args.worker.cpu), int(profile.memory_gib // args.worker.memory_gib)))
        profiles.append(
            app.WorkloadProfileArgsDict(
                maximum_count=-(-args.max_executions // each),
                minimum_count=0,
                name=PROFILE,
                workload_profile_type=args.profile,
            )
        )
    return profiles


def _template(args: WorkerJobArgs, storage_name: pulumi.Input[str]) -> app.JobTemplateArgs:
    worker = args.worker
    gpus = PROFILES[args.profile].gpus if args.profile else 0
    return app.JobTemplateArgs(
        containers=[
            app.ContainerArgs(
                env=[app.EnvironmentVarArgs(name=key, value=value) for key, value in worker.variables().items()],
                image=worker.image,
                name=CONTAINER,
                probes=[
                    app.ContainerAppProbeArgs(
                        failure_threshold=3,
                        http_get=app.ContainerAppProbeHttpGetArgs(
                            path=HEALTH_PATH, port=HEALTH_PORT, scheme=app.Scheme.HTTP
                        ),
                        initial_delay_seconds=15,
                        period_seconds=20,
                        timeout_seconds=5,
                        type=app.Type.LIVENESS,
                    )
                ],
                resources=app.ContainerResourcesArgs(
                    cpu=worker.cpu, gpu=gpus or None, memory=f"{worker.memory_gib:g}Gi"
                ),
                volume_mounts=[app.VolumeMountArgs(mount_path=SHARE_MOUNT, volume_name=SHARE_VOLUME)],
            )
        ],
        volumes=[app.VolumeArgs(name=SHARE_VOLUME, storage_name=storage_name, storage_type=app.StorageType.AZURE_FILE)],
    )
