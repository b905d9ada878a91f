"""The worker's settings, read once from the environment."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_app.contract import ContractError, StorageConnection, StorageNames, require
from pipeline_app.worker.confinement.rights import NETWORKS, Network

HEALTH_PORT = 5000
# Queue storage refuses a visibility timeout of more than seven days.
MAX_CLAIM_SECONDS = 7 * 24 * 3600
# What no replica timeout comes near; a life that long is as good as none.
MAX_LIFETIME_SECONDS = 366 * 24 * 3600
MAX_SCRATCH_BYTES = 1024**5


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """All that the environment tells the worker.

    Attributes:
        app_alias: the command that the image's installer left.
        cleared: folders in which nothing that is this user's outlasts the applications, such as that of shared memory.
        config_sha256: of the configs' content as the stack has it, in hex by their paths; what is not here is taken as
            it is found.
        claim_seconds: how long a claimed message stays invisible before it must be renewed.
        export_config: path of the export config on the share; None where nothing is exported.
        health_port: TCP port of the health and status endpoint; 0 takes a free one.
        idle_seconds: how long an empty queue is watched before the worker exits.
        image: the image reference by digest, for receipts.
        lifetime_seconds: so long after its start the worker's process is ended, as an execution of a Container Apps job
            is at its replica timeout; 0 where nothing ends it.
        log_file: path of the log on the share; None to log to the console alone.
        max_attempts: how often a file is tried before it is failed.
        max_output_files: how many result files a run may leave.
        network: what applications may connect to, if the kernel can keep them from the rest.
        readable: folders of programs and their data, which applications may read; in the image it is all that there is.
        release: the release that the image was built as, for receipts.
        require_confinement: no application runs where the kernel cannot confine it.
        runtime_config: path of the runtime config on the share; None for the default arguments.
        scratch: folder below which each attempt gets a private one.
        scratch_bytes: how much disk an attempt may take; 0 shares out what is free when the worker starts.
        share: where the share is mounted.
        slots: how many files are processed side by side.
        writable: files and folders that applications may change besides their own; what one leaves there, others find.
    """

    app_alias: str
    cleared: tuple[Path, ...]
    claim_seconds: int
    connection: StorageConnection
    export_config: Path | None
    health_port: int
    idle_seconds: float
    image: str
    lifetime_seconds: float
    log_file: Path | None
    max_attempts: int
    max_output_files: int
    names: StorageNames
    network: Network
    readable: tuple[Path, ...]
    release: str
    require_confinement: bool
    runtime_config: Path | None
    scratch: Path
    scratch_bytes: int
    share: Path
    slots: int
    writable: tuple[Path, ...]
    config_sha256: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> WorkerSettings:
        """Read the settings.

        Raises:
            ContractError: a setting is missing or out of range; the text names it, its value and the fix.
        """
        export_config = _path(environment, "APP_EXPORT_CONFIG_FILE")
        runtime_config = _path(environment, "APP_RUNTIME_CONFIG_FILE")
        hashes = (
            (export_config, _sha256(environment, "APP_EXPORT_CONFIG_SHA256")),
            (runtime_config, _sha256(environment, "APP_RUNTIME_CONFIG_SHA256")),
        )
        return cls(
            app_alias=require(environment, "APP_ALIAS"),
            cleared=_paths(environment, "APP_CLEARED_PATHS"),
            claim_seconds=int(_number(environment, "APP_CLAIM_SECONDS", 60, 1, MAX_CLAIM_SECONDS)),
            connection=StorageConnection.from_environment(environment),
            config_sha256={path: sha256 for path, sha256 in hashes if path and sha256},
            export_config=export_config,
            health_port=int(_number(environment, "APP_HEALTH_PORT", HEALTH_PORT, 0, 65535)),
            idle_seconds=_number(environment, "APP_IDLE_SECONDS", 15, 0, 86400),
            image=environment.get("APP_IMAGE", "unknown"),
            lifetime_seconds=_number(environment, "APP_LIFETIME_SECONDS", 0, 0, MAX_LIFETIME_SECONDS),
            log_file=_path(environment, "APP_LOG_FILE"),
            max_attempts=int(_number(environment, "APP_MAX_ATTEMPTS", 3, 1, 100)),
            max_output_files=int(_number(environment, "APP_MAX_OUTPUT_FILES", 10_000, 1, 100_000)),
            names=StorageNames.from_environment(environment),
            network=_network(environment, "APP_NETWORK"),
            readable=_paths(environment, "APP_READABLE_PATHS") or (Path("/"),),
            release=environment.get("RELEASE_VERSION", "unknown"),
            require_confinement=_truth(environment, "APP_REQUIRE_CONFINEMENT"),
            runtime_config=runtime_config,
            scratch=Path(environment.get("APP_SCRATCH_DIRECTORY") or tempfile.gettempdir()).absolute(),
            scratch_bytes=int(_number(environment, "APP_SCRATCH_BYTES", 0, 0, MAX_SCRATCH_BYTES)),
            share=Path(environment.get("APP_SHARE_DIRECTORY") or "/mnt/azurefiles"),
            slots=int(_number(environment, "APP_SLOTS", 1, 1, 64)),
            writable=_paths(environment, "APP_WRITABLE_PATHS"),
        )


def _number(environment: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise ContractError(f"{name} is {text!r}; it must be a number from {low:g} to {high:g}.") from error
    if not low <= value <= high:
        raise ContractError(f"{name} is {text!r}; it must be a number from {low:g} to {high:g}.")
    return value


def _sha256(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "").strip().lower()
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        raise ContractError(
            f"{name} is {text!r}; it must be a SHA-256 of 64 hexadecimal digits, or empty to take the config as it is."
        )
    return text


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name, "").strip()
    return Path(text) if text else None


def _paths(environment: Mapping[str, str], name: str) -> tuple[Path, ...]:
    paths = [Path(each) for each in environment.get(name, "").split(os.pathsep) if each]
    for path in paths:
        if not path.is_absolute():
            raise ContractError(f"{name} has {str(path)!r}; each of its paths must begin with '/'.")
    return tuple(paths)


def _network(environment: Mapping[str, str], name: str) -> Network:
    text = environment.get(name, "").strip() or "no-metadata"
    for network in NETWORKS:
        if text == network:
            return network
    raise ContractError(f"{name} is {text!r}; it must be one of {', '.join(NETWORKS)}.")


def _truth(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").strip().lower() or "false"
    if text not in ("false", "true"):
        raise ContractError(f"{name} is {text!r}; it must be true or false.")
    return text == "true"
