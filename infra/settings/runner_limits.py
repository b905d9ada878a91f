"""What each kind of runner can carry, and what is wrong with settings that ask for more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pipeline_app.contract import ARRIVAL_SECONDS, least_replica_timeout, lifetime_of, usable_seconds

if TYPE_CHECKING:
    from infra.settings.config import StackConfig

RunnerKind = Literal["containerAppsJob", "containerInstances"]

# Source: https://learn.microsoft.com/azure/container-instances/container-instances-resource-and-quota-limits
GROUP_CPU: Final = (1.0, 4.0)
GROUP_MEMORY_GIB: Final = (1.0, 16.0)
# Source: https://learn.microsoft.com/answers/questions/27033/are-there-any-disc-space-limitation-for-aci.html
GROUP_DISK_GIB: Final = 50.0

# Consumption takes no other memory than this with so many cores, and its cores in these steps.
# Source: https://learn.microsoft.com/azure/container-apps/containers#allocations
CONSUMPTION_CPU: Final = (0.25, 4.0)
CONSUMPTION_STEP: Final = 0.25
CONSUMPTION_GIB_PER_CPU: Final = 2.0
# By cores at most, in GiB. Source: https://learn.microsoft.com/azure/container-apps/storage-mounts#ephemeral-storage
REPLICA_DISK_GIB: Final = ((0.25, 1.0), (0.5, 2.0), (1.0, 4.0), (float("inf"), 8.0))

# The least of a worker's life that is there for files.
WORKING_SECONDS: Final = 30


@dataclass(frozen=True)
class Profile:
    """A workload profile: cores and memory in GiB of one node, or of one replica where it is billed by consumption.

    ``gpus`` is how many a replica gets.
    """

    cpu: float
    memory_gib: float
    gpus: int = 0
    by_consumption: bool = False


# Sources: https://learn.microsoft.com/azure/container-apps/workload-profiles-overview,
# https://learn.microsoft.com/azure/container-apps/gpu-types
PROFILES: Final = {
    "Consumption-GPU-NC24-A100": Profile(24, 220, gpus=1, by_consumption=True),
    "Consumption-GPU-NC8as-T4": Profile(8, 56, gpus=1, by_consumption=True),
    "D16": Profile(16, 64),
    "D32": Profile(32, 128),
    "D4": Profile(4, 16),
    "D8": Profile(8, 32),
    "E16": Profile(16, 128),
    "E32": Profile(32, 256),
    "E4": Profile(4, 32),
    "E8": Profile(8, 64),
    "NC24-A100": Profile(24, 220, gpus=1),
    "NC48-A100": Profile(48, 440, gpus=2),
    "NC96-A100": Profile(96, 880, gpus=4),
}


def profile_problem(name: str) -> str | None:
    """Return what is wrong with the name of a workload profile's type, or None."""
    return None if name in PROFILES else f"Allowed: {', '.join(PROFILES)}; or '' for Consumption."


def nearest_pair(cpu: float, memory_gib: float) -> tuple[float, float]:
    """Return the smallest cores and memory of Consumption that have both, or the largest there is."""
    low, high = CONSUMPTION_CPU
    wanted = max(cpu, memory_gib / CONSUMPTION_GIB_PER_CPU, low)
    steps = -(-wanted // CONSUMPTION_STEP)
    found = min(steps * CONSUMPTION_STEP, high)
    return found, found * CONSUMPTION_GIB_PER_CPU


def replica_disk_gib(cpu: float) -> float:
    """Return the disk that a replica with so many cores has, in GiB."""
    return next(disk for most, disk in REPLICA_DISK_GIB if cpu <= most)


def runner_problems(config: StackConfig) -> list[str]:
    """Return what the chosen runner cannot carry, each with the key, the value and the nearest that it can."""
    if config.runner == "containerAppsJob":
        return [*_sizes_of_replicas(config), *_disk(config, replica_disk_gib(config.container_cpu)), *_times(config)]
    return [*_sizes_of_groups(config), *_disk(config, GROUP_DISK_GIB), *_not_of_groups(config)]


def timeout_problems(config: StackConfig, limits: Mapping[str, float | None]) -> list[str]:
    """Return what is wrong with the seconds that the application's steps may take, as their configs set them.

    Args:
        config: the settings.
        limits: ``timeout_seconds`` by the key of its config; None where that leaves it out.
    """
    wanted = sum(limit for limit in limits.values() if limit)
    most = usable_seconds(lifetime_of(config.replica_timeout_seconds))
    if config.runner != "containerAppsJob" or wanted <= most:
        return []
    keys = " and ".join(key for key, limit in limits.items() if limit)
    return [
        f"replicaTimeoutSeconds is {config.replica_timeout_seconds}, and {keys} let a file take {wanted:g} seconds. An "
        f"execution is ended before such a file is done. Set replicaTimeoutSeconds to "
        f"{least_replica_timeout(wanted)} or more, or timeout_seconds to {most:g} or less."
    ]


def runner_warnings(config: StackConfig) -> list[str]:
    """Return in sentences what the chosen runner will do worse than the settings ask for."""
    told = []
    if config.slots > max(1, config.container_cpu):
        told.append(
            f"slots is {config.slots} and containerCpu is {config.container_cpu:g}: so many applications share the "
            "cores of one container. That is faster only where they wait for something else."
        )
    if config.runner == "containerAppsJob" and config.queue_length < config.slots:
        told.append(
            f"queueLength is {config.queue_length} and slots is {config.slots}: an execution is started for each "
            f"{config.queue_length} jobs, so slots stay empty. Set queueLength to {config.slots} or more."
        )
    return told


def _sizes_of_groups(config: StackConfig) -> list[str]:
    problems = []
    for key, value, (low, high) in (
        ("containerCpu", config.container_cpu, GROUP_CPU),
        ("containerMemoryGib", config.container_memory_gib, GROUP_MEMORY_GIB),
    ):
        if not low <= value <= high:
            problems.append(f"{key} is {value:g}. Allowed with runner containerInstances: {low:g} to {high:g}.")
        elif round(value * 10) != value * 10:
            problems.append(f"{key} is {value}. Allowed: tenths, such as {round(value, 1)}.")
    return problems


def _sizes_of_replicas(config: StackConfig) -> list[str]:
    cpu, memory = config.container_cpu, config.container_memory_gib
    if config.workload_profile:
        profile = PROFILES[config.workload_profile]
        return [
            f"{key} is {value:g}, and a {config.workload_profile} has {most:g}. Allowed: {most:g} at most."
            for key, value, most in (
                ("containerCpu", cpu, profile.cpu),
                ("containerMemoryGib", memory, profile.memory_gib),
            )
            if value > most
        ]
    nearest = nearest_pair(cpu, memory)
    if (cpu, memory) == nearest:
        return []
    return [
        f"containerCpu is {cpu:g} and containerMemoryGib is {memory:g}, which are no pair of Consumption: it has 0.25 "
        f"to 4 cores in steps of 0.25, with 2 GiB for each. The nearest is {nearest[0]:g} and {nearest[1]:g}; a "
        "workloadProfile takes any."
    ]


def _disk(config: StackConfig, most: float) -> list[str]:
    if config.scratch_gib is None or config.scratch_gib < most:
        return []
    return [
        f"scratchGib is {config.scratch_gib:g}, and with runner {config.runner} and containerCpu "
        f"{config.container_cpu:g} a container's disk has {most:g} GiB, for the worker's own files, too. Allowed: less "
        "than that, or '' for what is free."
    ]


def _not_of_groups(config: StackConfig) -> list[str]:
    if not config.workload_profile:
        return []
    return [
        f"workloadProfile is {config.workload_profile!r}, which container groups do not have. Set runner to "
        "containerAppsJob, or leave it out."
    ]


def _times(config: StackConfig) -> list[str]:
    least = config.idle_seconds + ARRIVAL_SECONDS + WORKING_SECONDS
    if config.replica_timeout_seconds < least:
        return [
            f"replicaTimeoutSeconds is {config.replica_timeout_seconds}, and an execution needs {least} for "
            f"idleSeconds ({config.idle_seconds}) and to work. Allowed: {least} and more."
        ]
    return []
