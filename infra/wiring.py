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
from infra.retention import RetentionArgs
from infra.share_files import ShareFiles, ShareFilesArgs
from infra.storage import ApplicationStorage, ApplicationStorageArgs, ArtifactStorage, ArtifactStorageArgs, Deleted
from infra.vault import VaultArgs
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


def application_storage(cfg: StackConfig, placement: Placement) -> ApplicationStorageArgs:
    """Return how the application's storage is laid out."""
    return ApplicationStorageArgs(
        account_name=cfg.app_storage_account_name,
        container_name=cfg.storage_container,
        deleted=_deleted(cfg),
        placement=placement,
        protect=cfg.protect_files,
        share_name=cfg.share_name,
        share_quota_gib=cfg.share_quota_gib,
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


def artifact_storage(cfg: StackConfig, placement: Placement) -> ArtifactStorageArgs:
    """Return how the artifact storage is laid out."""
    return ArtifactStorageArgs(
        account_name=cfg.artifact_storage_account_name,
        container_name=cfg.artifact_container,
        deleted=_deleted(cfg),
        placement=placement,
        protect=cfg.protect_files,
    )


def function_app(
    cfg: StackConfig,
    placement: Placement,
    artifacts: ArtifactStorage,
    files: ApplicationStorage,
    identity: WorkloadIdentity,
    groups: Sequence[WorkerGroup],
    logs: Monitoring,
) -> FunctionAppArgs:
    """Return the function's surroundings and its package, which is made here."""
    return FunctionAppArgs(
        artifacts=artifacts,
        functions=function_names(cfg.project),
        groups=groups,
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
    cfg: StackConfig, placement: Placement, artifacts: ArtifactStorage, files: ApplicationStorage, logs: Monitoring
) -> WorkloadIdentityArgs:
    """Return what the function may do."""
    grants = function_grants(artifacts, files, placement, logs, cfg.start_role_id)
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


def retention(
    cfg: StackConfig, placement: Placement, artifacts: ArtifactStorage, files: ApplicationStorage
) -> RetentionArgs:
    """Return how long blobs are kept."""
    return RetentionArgs(
        artifacts=artifacts,
        dead_letter_days=cfg.dead_letter_retention_days,
        input_days=cfg.input_retention_days,
        names=cfg.storage_names(),
        package_days=cfg.package_retention_days,
        placement=placement,
        result_days=cfg.result_retention_days,
        storage=files,
    )


def share_files(cfg: StackConfig, files: ApplicationStorage, image: pulumi.Input[str]) -> ShareFilesArgs:
    """Return the config files for the worker, and its image, before which they do not change."""
    return ShareFilesArgs(files=cfg.share_files(), image=image, storage=files)


def upload_events(cfg: StackConfig, placement: Placement, files: ApplicationStorage) -> UploadEventsArgs:
    """Return what counts as an upload."""
    return UploadEventsArgs(
        names=cfg.storage_names(), placement=placement, storage=files, topic_name=cfg.system_topic_name
    )


def vault(cfg: StackConfig, placement: Placement, registry: Registry) -> VaultArgs:
    """Return the vault's name, how long it outlives its deletion, and who may administer its secrets."""
    return VaultArgs(
        placement=placement,
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
    cfg: StackConfig, placement: Placement, files: ApplicationStorage, registry: Registry
) -> WorkloadIdentityArgs:
    """Return what the worker may do."""
    return WorkloadIdentityArgs(grants=worker_grants(registry, files, cfg.image_registry_id), placement=placement)


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


def _deleted(cfg: StackConfig) -> Deleted:
    return Deleted(
        blob_days=cfg.deleted_blob_days, container_days=cfg.deleted_container_days, share_days=cfg.deleted_share_days
    )


def _text_hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
