"""What can be known to be wrong with a configuration whose values are right one by one."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.packages.archive import check_folder, check_zip, file_sha256
from infra.packages.archive_entries import ArchiveError
from infra.settings import naming
from infra.settings.naming import DEAD_LETTER_CONTAINER, FUNCTION_PACKAGE_CONTAINER
from infra.settings.retention import retention_problems
from infra.settings.runner_limits import runner_problems, timeout_problems
from infra.settings.silence import silence_problems
from infra.settings.verify_file import canary_file
from pipeline_app.contract import STATE_CONTAINER, overlap
from pipeline_app.worker.app_config import AppConfigError, parse

if TYPE_CHECKING:
    from infra.settings.config import StackConfig

CONFIG_BYTES: Final = 1024 * 1024
SHOWN_NAMES: Final = 10


def between(config: StackConfig) -> list[str]:
    """Return what is wrong between the values, each of which is right by itself."""
    problems = []
    if overlap(config.input_path, config.output_path):
        problems.append(
            f"inputPath is {config.input_path!r} and outputPath is {config.output_path!r}: results would count as "
            "inputs. Allowed: two paths of which neither contains the other."
        )
    if held := {DEAD_LETTER_CONTAINER: "dead letters", STATE_CONTAINER: "the sweep's state"}.get(
        config.storage_container
    ):
        problems.append(f"storageContainer is {config.storage_container!r}, which holds {held}. Choose another.")
    if config.artifact_container == FUNCTION_PACKAGE_CONTAINER:
        problems.append(
            f"artifactContainer is {config.artifact_container!r}, which holds the function's packages. Choose another."
        )
    if config.app_storage_account_name and config.app_storage_account_name == config.artifact_storage_account_name:
        problems.append(
            f"appStorageAccountName and artifactStorageAccountName are both {config.app_storage_account_name!r}. "
            "Choose two names."
        )
    problems += retention_problems(config.input_retention_days, config.result_retention_days)
    problems += silence_problems(config.alert_silent_minutes, config.sweep_schedule)
    if config.image_registry_id and not config.image_reference:
        problems.append(
            f"imageRegistryId is {config.image_registry_id!r}, but imageReference is missing. Set imageReference to an "
            "image in that registry, or leave imageRegistryId out."
        )
    elif config.image_registry_id and config.image_reference:
        server = config.image_reference.partition("/")[0]
        if not naming.is_server_of(server, config.image_registry_id):
            problems.append(
                f"imageRegistryId is {config.image_registry_id!r}, but imageReference is in {server!r}, which is not "
                "the server of that registry. Mend one of them."
            )
    problems += runner_problems(config)
    return problems


def files(config: StackConfig) -> list[str]:
    """Return what is wrong with the files that the configuration names."""
    # An image that is there already was built from its own artifact.
    problems = [] if config.image_reference else _artifact(config)
    limits: dict[str, float | None] = {}
    for key, value in (
        ("exportConfigFile", config.export_config_file),
        ("runtimeConfigFile", config.runtime_config_file),
    ):
        if not value:
            continue
        try:
            content = (config.project / value).read_bytes()
            if len(content) > CONFIG_BYTES:
                raise AppConfigError(f"it has {len(content)} bytes; at most {CONFIG_BYTES} are taken.")
            parse(content.decode(), str(value))
            limits[key] = json.loads(content).get("timeout_seconds")
        except (AppConfigError, OSError, UnicodeDecodeError) as error:
            problems.append(f"{key} is {value!r}: {error} Allowed: the path of a JSON file as the worker reads it.")
    problems += timeout_problems(config, limits)
    if config.verify_file:
        try:
            canary_file(config.project, config.verify_file)
        except (OSError, ValueError) as error:
            problems.append(f"verifyFile is {config.verify_file!r}: {error} Allowed: the path of a small file.")
    return problems


def _artifact(config: StackConfig) -> list[str]:
    if not config.artifact_path:
        return [
            f"{key} is missing. Allowed: {allowed}, or set artifactPath to a local zip or folder."
            for key, value, allowed in (
                ("artifactName", config.artifact_name, "the name of a zip in the artifact container"),
                ("artifactSha256", config.artifact_sha256, "the SHA-256 of that zip"),
            )
            if value is None
        ]
    path = config.project / config.artifact_path
    if not path.exists() and not Path(config.artifact_path).is_absolute():
        return [
            f"artifactPath is {config.artifact_path!r}: There is no file {path}. A relative path begins at the "
            "project's folder, wherever the command is run. Allowed: a zip, or a folder to be zipped."
        ]
    try:
        if path.is_dir():
            names = check_folder(path)
        else:
            names = check_zip(path)
            if config.artifact_sha256 and config.artifact_sha256.lower() != (actual := file_sha256(path)):
                return [
                    f"artifactSha256 is {config.artifact_sha256!r}, but {config.artifact_path!r} has {actual}. Mend "
                    "one of them, or set artifactPath to '' to fetch artifactName from the artifact container."
                ]
    except ArchiveError as error:
        return [f"artifactPath is {config.artifact_path!r}: {error} Allowed: a zip, or a folder to be zipped."]
    if path.is_dir() and config.artifact_sha256:
        return [
            f"artifactSha256 is {config.artifact_sha256!r}, but artifactPath is the folder {config.artifact_path!r}. "
            "Set artifactPath to '' to fetch artifactName from the artifact container, or leave artifactSha256 out."
        ]
    return _programs(config, names)


def _programs(config: StackConfig, names: Sequence[str]) -> list[str]:
    # Where there is an installer, it may make the application's file itself.
    key, value = "appInstallerFile", config.app_installer_file
    if not value:
        key, value = "appFile", config.app_file
    if posixpath.normpath(value) in names:
        return []
    # An installer is hardly ever deep within.
    nearest = sorted(names, key=lambda name: (name.count("/"), name))
    shown = ", ".join(nearest[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
    return [
        f"{key} is {value!r}, but {config.artifact_path!r} has no such file: it has {shown}. Allowed: one of its files"
        + ("." if key == "appFile" else ", or '' where there is no installer.")
    ]
