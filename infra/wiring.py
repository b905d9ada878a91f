"""From the stack's configuration to the arguments of its components, so that the program itself reads as a plan."""

from __future__ import annotations

import hashlib

import pulumi

from infra.components.alerts import AlertsArgs
from infra.components.artifact import Artifact, ArtifactArgs, find_package
from infra.components.container_apps_job import WorkerJobArgs
from infra.components.data_logs import DataLogsArgs, DataLogsLevel
from infra.components.events import UploadEvents, UploadEventsArgs
from infra.components.function_app import FunctionApp, FunctionAppArgs
from infra.components.grants import function_grants, worker_grants
from infra.components.identities import WorkloadIdentity, WorkloadIdentityArgs
from infra.components.image import WorkerImageArgs
from infra.components.image_pull import ImagePull, ImagePullArgs
from infra.components.monitoring import MonitoringArgs
from infra.components.placement import Placement
from infra.components.registry import RegistryArgs
from infra.components.share_files import ShareFiles, ShareFilesArgs
from infra.components.stack_roles import StackRoles, StackRolesArgs
from infra.components.uploaders import UploadersArgs
from infra.components.vault import Vault, VaultArgs
from infra.components.verification import DeployVerificationArgs
from infra.components.worker import Runner, WorkerArgs
from infra.packages.function_names import function_names
from infra.packages.function_package import function_archive
from infra.packages.image_sources import application_hash, build_hash
from infra.platform import Platform
from infra.settings.config import StackConfig
from infra.settings.silence import silent_minutes
from infra.settings.verify_file import canary_file


def alerts(platform: Platform, events: UploadEvents, function: FunctionApp) -> AlertsArgs:
    """Return what raises an alert and whom it notifies."""
    cfg = platform.config
    return AlertsArgs(
        action_group_id=cfg.action_group_id,
        backlog_events=cfg.alert_backlog_events,
        backlog_jobs=cfg.alert_backlog_jobs,
        emails=cfg.alert_emails,
        events=events,
        failed_files=cfg.alert_failed_files,
        function=function,
        monitoring=platform.logs,
        placement=platform.placement,
        runner=cfg.runner,
        silent_minutes=(
            silent_minutes(cfg.sweep_schedule) if cfg.alert_silent_minutes is None else cfg.alert_silent_minutes
        ),
    )


def artifact(platform: Platform) -> ArtifactArgs:
    """Return the application's zip; a folder is zipped here."""
    cfg = platform.config
    return ArtifactArgs(
        cache=cfg.project / cfg.artifact_cache,
        package=find_package(
            folder=cfg.artifact_folder,
            name=cfg.artifact_name,
            path=cfg.artifact_path,
            project=cfg.project,
            sha256=cfg.artifact_sha256,
        ),
        placement=platform.placement,
        storage=platform.accounts.artifacts,
    )


def data_logs(platform: Platform, vault: Vault) -> DataLogsArgs:
    """Return what is logged of who reads and changes data."""
    cfg = platform.config
    return DataLogsArgs(
        artifacts=platform.accounts.artifacts,
        files=platform.accounts.files,
        level=DataLogsLevel(cfg.data_logs),
        monitoring=platform.logs,
        vault=vault,
    )


def function_app(platform: Platform, identity: WorkloadIdentity, runner: Runner) -> FunctionAppArgs:
    """Return the function's surroundings and its package, which is made here."""
    cfg = platform.config
    return FunctionAppArgs(
        artifacts=platform.accounts.artifacts,
        functions=function_names(cfg.project),
        host=platform.accounts.host,
        identity=identity,
        memory_mb=cfg.function_memory_mb,
        monitoring=platform.logs,
        names=cfg.storage_names(),
        package=function_archive(cfg.project),
        placement=platform.placement,
        runner=runner,
        storage=platform.accounts.files,
        sweep_grace_seconds=cfg.sweep_grace_seconds,
        sweep_pause_seconds=cfg.sweep_pause_seconds,
        sweep_schedule=cfg.sweep_schedule,
    )


def function_identity(platform: Platform, roles: StackRoles) -> WorkloadIdentityArgs:
    """Return what the function may do."""
    grants = function_grants(
        platform.accounts.artifacts,
        platform.accounts.host,
        platform.accounts.files,
        platform.placement,
        platform.logs,
        roles,
        platform.config.runner,
    )
    return WorkloadIdentityArgs(grants=grants, placement=platform.placement)


def image_pull(platform: Platform, identity: WorkloadIdentity) -> ImagePullArgs:
    """Return where the image comes from."""
    cfg = platform.config
    return ImagePullArgs(
        given_reference=cfg.image_reference,
        given_registry_id=cfg.image_registry_id,
        identity=identity,
        registry=platform.registry,
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


def roles(platform: Platform) -> StackRolesArgs:
    """Return whether the stack makes roles of its own, and for how long these are waited for."""
    cfg = platform.config
    return StackRolesArgs(
        custom=cfg.custom_roles,
        placement=platform.placement,
        run_groups_id=cfg.start_role_id,
        runner=cfg.runner,
        wait_seconds=cfg.role_wait_seconds,
    )


def share_files(platform: Platform, image: pulumi.Input[str]) -> ShareFilesArgs:
    """Return the config files for the worker, and its image, before which they do not change."""
    cfg = platform.config
    return ShareFilesArgs(files=cfg.share_files(), image=image, storage=platform.accounts.files)


def upload_events(platform: Platform) -> UploadEventsArgs:
    """Return what counts as an upload."""
    cfg = platform.config
    return UploadEventsArgs(
        names=cfg.storage_names(),
        placement=platform.placement,
        storage=platform.accounts.files,
        topic_name=cfg.system_topic_name,
    )


def uploaders(platform: Platform, roles: StackRoles) -> UploadersArgs:
    """Return who may upload."""
    cfg = platform.config
    return UploadersArgs(
        ids=cfg.uploader_ids,
        input_path=cfg.input_path,
        roles=roles,
        storage=platform.accounts.files,
        type=cfg.uploader_type,
    )


def vault(platform: Platform) -> VaultArgs:
    """Return the vault's name, how long it outlives its deletion, and who may administer its secrets."""
    cfg = platform.config
    return VaultArgs(
        placement=platform.placement,
        purge_protection=cfg.vault_purge_protection,
        registry=platform.registry,
        retention_days=cfg.vault_retention_days,
        secrets_officer_id=cfg.vault_secrets_officer_id,
        secrets_officer_type=cfg.vault_secrets_officer_type,
        vault_name=cfg.vault_name,
    )


def verification(
    platform: Platform, app: FunctionApp, runner: Runner, image: pulumi.Input[str], uploads: UploadEvents
) -> DeployVerificationArgs:
    """Return the file that is put through at the end of a deploy, and what it proves."""
    cfg = platform.config
    return DeployVerificationArgs(
        app=app,
        file=canary_file(cfg.project, cfg.verify_file) if cfg.verify_file else None,
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
        runner=runner,
        seconds=cfg.verify_seconds,
        storage=platform.accounts.files,
        uploads=uploads,
    )


def worker(
    platform: Platform, image: pulumi.Input[str], pull: ImagePull, share_files: ShareFiles, identity: WorkloadIdentity
) -> WorkerArgs:
    """Return what a worker is and needs, whatever runs it."""
    cfg = platform.config
    return WorkerArgs(
        cpu=cfg.container_cpu,
        environment=cfg.worker_environment(),
        identity=identity,
        image=image,
        logs=cfg.container_group_logs,
        memory_gib=cfg.container_memory_gib,
        monitoring=platform.logs,
        names=cfg.storage_names(),
        placement=platform.placement,
        pull=pull,
        share_files=share_files,
        storage=platform.accounts.files,
    )


def worker_identity(platform: Platform, roles: StackRoles) -> WorkloadIdentityArgs:
    """Return what the worker may do."""
    cfg = platform.config
    grants = worker_grants(
        platform.registry, platform.accounts.files, cfg.storage_names(), roles, cfg.image_registry_id
    )
    return WorkloadIdentityArgs(grants=grants, placement=platform.placement)


def worker_image(platform: Platform, application: Artifact) -> WorkerImageArgs:
    """Return what the image is built from and what it is called."""
    cfg = platform.config
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
        registry=platform.registry,
        repository=cfg.image_repository(),
        version=version,
    )


def worker_job(platform: Platform, worker: WorkerArgs) -> WorkerJobArgs:
    """Return what each execution of the job runs, and how many there are."""
    cfg = platform.config
    return WorkerJobArgs(
        max_executions=cfg.max_executions,
        polling_seconds=cfg.polling_seconds,
        profile=cfg.workload_profile,
        queue_length=cfg.queue_length,
        replica_timeout_seconds=cfg.replica_timeout_seconds,
        worker=worker,
    )


def _text_hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
