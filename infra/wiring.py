"""From the stack's configuration to the arguments of its components, so that the program itself reads as a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pulumi

from infra.alert_rules import silent_minutes
from infra.alerts import AlertsArgs
from infra.artifact import Artifact, ArtifactArgs, find_package
from infra.config import StackConfig
from infra.container import WorkerGroup, WorkerGroupArgs
from infra.data_logs import DataLogsArgs, DataLogsLevel
from infra.events import UploadEvents, UploadEventsArgs
from infra.function_app import FunctionApp, FunctionAppArgs
from infra.function_names import function_names
from infra.grants import function_grants, worker_grants
from infra.identities import WorkloadIdentity, WorkloadIdentityArgs
from infra.image import WorkerImageArgs, application_hash, build_hash
from infra.image_pull import ImagePull, ImagePullArgs
from infra.monitoring import Monitoring, MonitoringArgs
from infra.packaging import function_archive
from infra.placement import Placement
from infra.registry import Registry, RegistryArgs
from infra.share_files import ShareFiles, ShareFilesArgs
from infra.stack_roles import StackRoles, StackRolesArgs
from infra.storage import ApplicationStorage, ArtifactStorage, HostStorage
from infra.uploaders import UploadersArgs
from infra.vault import Vault, VaultArgs
from infra.verification.file import canary_file
from infra.verify_deploy import DeployVerificationArgs


def alerts(
    cfg: StackConfig, placement: Placement, logs: Monitoring, events: UploadEvents, function: FunctionApp
) -> AlertsArgs:
    """Return what raises an alert and whom it notifies."""
    return AlertsArgs(
        action_group_id=cfg.action_group_id,
        backlog_events=cfg.alert_backlog_events,
        backlog_jobs=cfg.alert_backlog_jobs,
        emails=cfg.alert_emails,
        events=events,
        failed_files=cfg.alert_failed_files,
        function=function,
        monitoring=logs,
        placement=placement,
        silent_minutes=(
            silent_minutes(cfg.sweep_schedule) if cfg.alert_silent_minutes is None else cfg.alert_silent_minutes
        ),
    )


def artifact(cfg: StackConfig, placement: Placement, storage: ArtifactStorage) -> ArtifactArgs:
    """Return the application's zip; a folder is zipped here."""
    return ArtifactArgs(
        cache=cfg.project / cfg.artifact_cache,
        package=find_package(
            folder=cfg.artifact_folder,
            name=cfg.artifact_name,
            path=cfg.artifact_path,
            project=cfg.project,
            sha256=cfg.artifact_sha256,
        ),
        placement=placement,
        storage=storage,
    )


def data_logs(
    cfg: StackConfig, artifacts: ArtifactStorage, files: ApplicationStorage, logs: Monitoring, vault: Vault
) -> DataLogsArgs:
    """Return what is logged of who reads and changes data."""
    return DataLogsArgs(
        artifacts=artifacts, files=files, level=DataLogsLevel(cfg.data_logs), monitoring=logs, vault=vault
    )


def function_app(
    cfg: StackConfig,
    placement: Placement,
    artifacts: ArtifactStorage,
    files: ApplicationStorage,
    host: HostStorage,
    identity: WorkloadIdentity,
    groups: Sequence[WorkerGroup],
    logs: Monitoring,
) -> FunctionAppArgs:
    """Return the function's surroundings and its package, which is made here."""
    return FunctionAppArgs(
        artifacts=artifacts,
        functions=function_names(cfg.project),
        groups=groups,
        host=host,
        identity=identity,
        memory_mb=cfg.function_memory_mb,
        monitoring=logs,
        names=cfg.storage_names(),
        package=function_archive(cfg.project),
        placement=placement,
        storage=files,
        sweep_grace_seconds=cfg.sweep_grace_seconds,
        sweep_pause_seconds=cfg.sweep_pause_seconds,
        sweep_schedule=cfg.sweep_schedule,
    )


def function_identity(
    placement: Placement,
    artifacts: ArtifactStorage,
    files: ApplicationStorage,
    host: HostStorage,
    logs: Monitoring,
    roles: StackRoles,
) -> WorkloadIdentityArgs:
    """Return what the function may do."""
    grants = function_grants(artifacts, host, files, placement, logs, roles)
    return WorkloadIdentityArgs(grants=grants, placement=placement)


def image_pull(cfg: StackConfig, registry: Registry, identity: WorkloadIdentity) -> ImagePullArgs:
    """Return where the image comes from."""
    return ImagePullArgs(
        given_reference=cfg.image_reference,
        given_registry_id=cfg.image_registry_id,
        identity=identity,
        registry=registry,
        wait_seconds=cfg.role_wait_seconds,
    )


def monitoring(cfg: StackConfig, placement: Placement) -> MonitoringArgs:
    """Return how much is logged on a day at most, and how long logs are kept."""
    return MonitoringArgs(daily_cap_gb=cfg.log_daily_cap_gb, placement=placement, retention_days=cfg.log_retention_days)


def registry(cfg: StackConfig, placement: Placement) -> RegistryArgs:
    """Return the registry's name and size."""
    return RegistryArgs(
        placement=placement, protect=cfg.protect_files, registry_name=cfg.registry_name, sku=cfg.registry_sku
    )


def roles(cfg: StackConfig, placement: Placement) -> StackRolesArgs:
    """Return whether the stack makes roles of its own, and for how long these are waited for."""
    return StackRolesArgs(
        custom=cfg.custom_roles,
        placement=placement,
        run_groups_id=cfg.start_role_id,
        wait_seconds=cfg.role_wait_seconds,
    )


def share_files(cfg: StackConfig, files: ApplicationStorage, image: pulumi.Input[str]) -> ShareFilesArgs:
    """Return the config files for the worker, and its image, before which they do not change."""
    return ShareFilesArgs(files=cfg.share_files(), image=image, storage=files)


def upload_events(cfg: StackConfig, placement: Placement, files: ApplicationStorage) -> UploadEventsArgs:
    """Return what counts as an upload."""
    return UploadEventsArgs(
        names=cfg.storage_names(), placement=placement, storage=files, topic_name=cfg.system_topic_name
    )


def uploaders(cfg: StackConfig, files: ApplicationStorage, roles: StackRoles) -> UploadersArgs:
    """Return who may upload."""
    return UploadersArgs(
        ids=cfg.uploader_ids, input_path=cfg.input_path, roles=roles, storage=files, type=cfg.uploader_type
    )


def vault(cfg: StackConfig, placement: Placement, registry: Registry) -> VaultArgs:
    """Return the vault's name, how long it outlives its deletion, and who may administer its secrets."""
    return VaultArgs(
        placement=placement,
        purge_protection=cfg.vault_purge_protection,
        registry=registry,
        retention_days=cfg.vault_retention_days,
        secrets_officer_id=cfg.vault_secrets_officer_id,
        secrets_officer_type=cfg.vault_secrets_officer_type,
        vault_name=cfg.vault_name,
    )


def verification(
    cfg: StackConfig,
    app: FunctionApp,
    files: ApplicationStorage,
    groups: Sequence[WorkerGroup],
    image: pulumi.Input[str],
    uploads: UploadEvents,
) -> DeployVerificationArgs:
    """Return the file that is put through at the end of a deploy, and what it proves."""
    return DeployVerificationArgs(
        app=app,
        file=canary_file(cfg.project, cfg.verify_file) if cfg.verify_file else None,
        groups=groups,
        image=image,
        names=cfg.storage_names(),
        proves={
            "configs": _text_hash(*(f"{path}\0{text}" for path, text in sorted(cfg.share_files().items()))),
            "function": app.app_id,
            "function_package": app.package_sha256,
            "settings": _text_hash(*(f"{key}\0{value}" for key, value in sorted(cfg.worker_environment().items()))),
            "size": f"{cfg.container_cpu:g} cores, {cfg.container_memory_gib:g} GiB",
            "subscription": uploads.subscription_name,
            "topic": uploads.topic_id,
        },
        seconds=cfg.verify_seconds,
        storage=files,
        uploads=uploads,
    )


def worker_group(
    cfg: StackConfig,
    placement: Placement,
    files: ApplicationStorage,
    image: pulumi.Input[str],
    logs: Monitoring,
    pull: ImagePull,
    share_files: ShareFiles,
    identity: WorkloadIdentity,
) -> WorkerGroupArgs:
    """Return what each container group runs."""
    return WorkerGroupArgs(
        cpu=cfg.container_cpu,
        environment=cfg.worker_environment(),
        identity=identity,
        image=image,
        logs=cfg.container_group_logs,
        memory_gib=cfg.container_memory_gib,
        monitoring=logs,
        names=cfg.storage_names(),
        os_type=cfg.container_os_type,
        placement=placement,
        pull=pull,
        share_files=share_files,
        storage=files,
    )


def worker_identity(
    cfg: StackConfig, placement: Placement, files: ApplicationStorage, registry: Registry, roles: StackRoles
) -> WorkloadIdentityArgs:
    """Return what the worker may do."""
    grants = worker_grants(registry, files, cfg.storage_names(), roles, cfg.image_registry_id)
    return WorkloadIdentityArgs(grants=grants, placement=placement)


def worker_image(cfg: StackConfig, registry: Registry, application: Artifact) -> WorkerImageArgs:
    """Return what the image is built from and what it is called."""
    build_args = cfg.build_args()
    content = build_hash(cfg.project, application.sha256, build_args)
    version = cfg.image_version(content)
    # The installer is told a release that stays the same while the worker changes, so that its layer does, too.
    release = cfg.application_release(application_hash(cfg.project, application.sha256, build_args))
    return WorkerImageArgs(
        artifact=application.cache,
        build_args=build_args | {"APP_RELEASE": release, "RELEASE_VERSION": version},
        content=content,
        project=cfg.project,
        registry=registry,
        repository=cfg.image_repository(),
        version=version,
    )


def _text_hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
