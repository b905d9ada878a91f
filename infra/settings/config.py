"""The stack's configuration: every key, its default, and everything that can be known to be wrong with it."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pulumi
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from infra.settings import naming
from infra.settings.checks import between, files
from infra.settings.clouds import cloud_problems
from infra.settings.naming import SHARE_MOUNT
from infra.settings.runner_limits import RunnerKind
from infra.settings.schedule import schedule_problem
from infra.settings.values import (
    BlobContainer,
    BlobPath,
    Days,
    Emails,
    FunctionMemory,
    ImageWord,
    Line,
    LocalPath,
    ObjectIds,
    OptionalActionGroup,
    OptionalBlobName,
    OptionalCap,
    OptionalDisk,
    OptionalImage,
    OptionalKeyId,
    OptionalLine,
    OptionalProfile,
    OptionalRegistry,
    OptionalRegistryId,
    OptionalSha256,
    OptionalSilence,
    OptionalStorage,
    OptionalTopic,
    OptionalUuid,
    OptionalVault,
    OptionalVersion,
    Version,
    checked,
    json_object,
    log_file_problem,
    named,
    paths_problem,
)
from pipeline_app.contract import StorageNames, lifetime_of

EXPORT_CONFIG: Final = "config/export.json"
RUNTIME_CONFIG: Final = "config/runtime.json"


class ConfigError(ValueError, pulumi.RunError):
    """The configuration is wrong; the text lists every problem with its key, value and what is allowed.

    Pulumi shows the text of a RunError alone, and of anything else a traceback.
    """


class StackConfig(BaseModel):
    """All settings of a stack; Pulumi.yaml describes each under its camelCase name.

    Sizes are in GiB, times in seconds or days as the names say. Paths are relative to the program's folder, unless
    they say that they are paths in the storage or on the share.

    Attributes:
        project: the program's folder.
    """

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    project: Path

    action_group_id: OptionalActionGroup = None
    alert_backlog_events: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    alert_backlog_jobs: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    alert_emails: Emails = ()
    alert_failed_files: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    alert_silent_minutes: OptionalSilence = None
    app_alias: Annotated[str, named(naming.COMMAND)] = "csvreport"
    app_file: Line = "csvreport"
    app_installer_file: Line = "install.sh"
    app_network: Literal["full", "no-metadata", "none"] = "no-metadata"
    app_setup_args: Line = ""
    app_storage_account_name: OptionalStorage = None
    app_writable_paths: Annotated[str, checked(paths_problem)] = ""
    artifact_cache: Annotated[str, Field(min_length=1)] = ".artifact_cache"
    artifact_container: BlobContainer = "shared-artifacts"
    artifact_folder: Annotated[str, named(naming.BLOB_FOLDER)] = "applications"
    artifact_name: OptionalBlobName = None
    artifact_path: LocalPath = "pipeline_app/sample"
    artifact_sha256: OptionalSha256 = None
    artifact_storage_account_name: OptionalStorage = None
    base_image: OptionalLine = None
    build_number: OptionalVersion = None
    claim_seconds: Annotated[int, Field(ge=10, le=7 * 24 * 3600)] = 60
    container_cpu: Annotated[float, Field(ge=0.25, le=96)] = 1
    container_group_count: Annotated[int, Field(ge=1, le=20)] = 1
    container_group_logs: bool = True
    container_memory_gib: Annotated[float, Field(ge=0.5, le=880)] = 2
    container_os_type: Literal["Linux"] = "Linux"
    custom_roles: bool = True
    data_logs: Literal["all", "changes", "none"] = "changes"
    dead_letter_retention_days: Days = 0
    deleted_blob_days: Annotated[int, Field(ge=0, le=365)] = 0
    deleted_container_days: Annotated[int, Field(ge=0, le=365)] = 7
    deleted_share_days: Annotated[int, Field(ge=0, le=365)] = 7
    encryption_key_id: OptionalKeyId = None
    export_config_file: LocalPath = ""
    function_memory_mb: FunctionMemory = 2048
    idle_seconds: Annotated[int, Field(ge=0, le=86400)] = 15
    image_reference: OptionalImage = None
    image_registry_id: OptionalRegistryId = None
    input_path: BlobPath = "incoming"
    input_retention_days: Days = 0
    log_daily_cap_gb: OptionalCap = None
    log_file: Annotated[str, checked(log_file_problem)] = f"{SHARE_MOUNT}/logs/app.log"
    log_retention_days: Annotated[int, Field(ge=30, le=730)] = 30
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    max_executions: Annotated[int, Field(ge=1, le=1000)] = 10
    max_output_files: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    model_name: ImageWord = "csvreport"
    model_version: ImageWord = "1.0.0"
    output_path: BlobPath = "outgoing"
    package_retention_days: Days = 0
    polling_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    proj_version: Version = "0.1.0"
    protect_files: bool = True
    queue_length: Annotated[int, Field(ge=1, le=10_000)] = 2
    registry_name: OptionalRegistry = None
    registry_namespace: Annotated[str, named(naming.IMAGE_PATH)] = "file-processing"
    registry_sku: Literal["Basic", "Standard", "Premium"] = "Basic"
    replica_timeout_seconds: Annotated[int, Field(ge=60, le=7 * 24 * 3600)] = 7200
    require_confinement: bool = False
    result_retention_days: Days = 0
    role_wait_seconds: Annotated[int, Field(ge=0, le=1800)] = 300
    runner: RunnerKind = "containerInstances"
    runtime_config_file: LocalPath = "pipeline_app/config/runtime.json"
    scratch_gib: OptionalDisk = None
    share_name: Annotated[str, named(naming.SHARE)] = "share"
    share_quota_gib: Annotated[int, Field(ge=1, le=102400)] = 5
    slots: Annotated[int, Field(ge=1, le=64)] = 1
    start_role_id: OptionalUuid = None
    storage_container: BlobContainer = "pipeline-files"
    sweep_grace_seconds: Annotated[int, Field(ge=1, le=86_400)] = 120
    sweep_pause_seconds: Annotated[int, Field(ge=0, le=86_400)] = 900
    sweep_schedule: Annotated[str, checked(schedule_problem)] = "0 * * * * *"
    system_topic_name: OptionalTopic = None
    tags: Annotated[Mapping[str, str], BeforeValidator(json_object)] = {}
    uploader_ids: ObjectIds = ()
    uploader_type: Literal["User", "Group", "ServicePrincipal"] = "User"
    vault_name: OptionalVault = None
    vault_purge_protection: bool = False
    vault_retention_days: Annotated[int, Field(ge=7, le=90)] = 7
    vault_secrets_officer_id: OptionalUuid = None
    vault_secrets_officer_type: Literal["Group", "ServicePrincipal", "User"] = "User"
    verify_deploy: bool = False
    verify_file: LocalPath = ""
    verify_seconds: Annotated[int, Field(ge=10, le=3600)] = 900
    workload_profile: OptionalProfile = None

    def storage_names(self) -> StorageNames:
        """Return where inputs and outputs live."""
        return StorageNames(container=self.storage_container, input_path=self.input_path, output_path=self.output_path)

    def application_release(self, application_hash: str) -> str:
        """Return the release that the application's installer is told: the project's version and what it installs."""
        return naming.image_version(self.proj_version, application_hash)

    def build_args(self) -> dict[str, str]:
        """Return what the image's build is told, apart from the releases."""
        arguments = {
            "APP_ALIAS": self.app_alias,
            "APP_FILE": self.app_file,
            "APP_INSTALLER_FILE": self.app_installer_file,
            "APP_SETUP_ARGS": self.app_setup_args,
        }
        return arguments | ({"BASE_IMAGE": self.base_image} if self.base_image else {})

    def image_repository(self) -> str:
        """Return the repository of the worker's image below the registry."""
        return naming.image_repository(self.registry_namespace, self.model_name, self.model_version)

    def image_version(self, content_hash: str) -> str:
        """Return the image's tag and release: the project's version and the build, by default the content's hash."""
        return naming.image_version(self.proj_version, self.build_number or content_hash)

    def share_files(self) -> dict[str, str]:
        """Return the config files' content by their path on the share."""
        files = {EXPORT_CONFIG: self.export_config_file, RUNTIME_CONFIG: self.runtime_config_file}
        return {path: (self.project / source).read_text(encoding="utf-8") for path, source in files.items() if source}

    def worker_environment(self) -> dict[str, str]:
        """Return what the worker is told besides its storage and image.

        What is not configured is left out, since Container Instances may refuse an empty variable.
        """
        environment = {
            "APP_ALIAS": self.app_alias,
            "APP_CLAIM_SECONDS": str(self.claim_seconds),
            "APP_IDLE_SECONDS": str(self.idle_seconds),
            "APP_LOG_FILE": self.log_file,
            "APP_MAX_ATTEMPTS": str(self.max_attempts),
            "APP_MAX_OUTPUT_FILES": str(self.max_output_files),
            "APP_NETWORK": self.app_network,
            "APP_SLOTS": str(self.slots),
        }
        if self.runner == "containerAppsJob":
            environment["APP_LIFETIME_SECONDS"] = str(lifetime_of(self.replica_timeout_seconds))
        if self.app_writable_paths:
            environment["APP_WRITABLE_PATHS"] = self.app_writable_paths
        if self.require_confinement:
            environment["APP_REQUIRE_CONFINEMENT"] = "true"
        if self.scratch_gib:
            environment["APP_SCRATCH_BYTES"] = str(int(self.scratch_gib * 1024**3))
        # Whoever can write to the share, as an application can, must not decide what is run for the next file.
        names = {EXPORT_CONFIG: "APP_EXPORT_CONFIG", RUNTIME_CONFIG: "APP_RUNTIME_CONFIG"}
        for path, content in self.share_files().items():
            environment[f"{names[path]}_FILE"] = f"{SHARE_MOUNT}/{path}"
            environment[f"{names[path]}_SHA256"] = hashlib.sha256(content.encode()).hexdigest()
        return environment


KEYS: Final = tuple(
    sorted(field.alias or name for name, field in StackConfig.model_fields.items() if not field.is_required())
)


def load(project: Path) -> StackConfig:
    """Read and check the configuration of the running stack; ``project`` is the program's folder.

    Raises:
        ConfigError: anything is wrong with it.
    """
    prefix = f"{pulumi.get_project()}:"
    # The engine hands the configuration over in the environment; a program run without it sets it directly.
    everything = pulumi.runtime.config.get_config_env() | pulumi.runtime.config.CONFIG.get()
    settings = {key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)}
    return check(settings, project, cloud_problems(pulumi.Config("azure-native").get, os.environ))


def check(settings: Mapping[str, Any], project: Path, others: Sequence[str] = ()) -> StackConfig:
    """Return the configuration that settings by camelCase key describe.

    Args:
        settings: of this project.
        project: the program's folder.
        others: problems with what is set elsewhere, which are told with those of the settings.

    Raises:
        ConfigError: anything is wrong; every problem is in the text, not the first alone.
    """
    problems = [*others, *(_unknown(key) for key in sorted(settings.keys() - set(KEYS)))]
    given = {"project": project}
    known = {key: value for key, value in settings.items() if key in KEYS}
    try:
        config = StackConfig.model_validate(known | given)
    except ValidationError as error:
        wrong = {str(each["loc"][0]) for each in error.errors()}
        problems += [_problem(key, known[key], error) for key in sorted(wrong)]
        # The defaults stand in for what is wrong, so that the checks between and behind the values speak up as well.
        config = StackConfig.model_validate({k: v for k, v in known.items() if k not in wrong} | given)
    problems += between(config) + files(config)
    if problems:
        raise ConfigError(
            f"The configuration has {len(problems)} problem(s):\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + "\nMend them with 'pulumi config set' or in the stack's file; Pulumi.yaml describes each key."
        )
    return config


def _problem(key: str, value: Any, error: ValidationError) -> str:
    texts = [each["msg"].removeprefix("Value error, ") for each in error.errors() if each["loc"][0] == key]
    return f"{key} is {value!r}. {' '.join(dict.fromkeys(texts))}"


def _unknown(key: str) -> str:
    nearest = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]}?" if nearest else f"Known keys: {', '.join(KEYS)}."
    return f"{key} is no key of this project. {hint}"
