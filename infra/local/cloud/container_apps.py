"""What Azure refuses of a Container Apps job, and what would never start an execution though it is taken.

Sources: https://learn.microsoft.com/azure/container-apps/containers#allocations,
https://learn.microsoft.com/azure/container-apps/jobs, https://learn.microsoft.com/azure/container-apps/storage-mounts,
https://learn.microsoft.com/azure/container-apps/workload-profiles-overview, and of the scaler's rule
https://github.com/kedacore/keda, pkg/scalers/azure_queue_scaler.go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from infra.settings.runner_limits import PROFILES, nearest_pair

CONSUMPTION: Final = "Consumption"
# Source: https://learn.microsoft.com/cli/azure/containerapp/job
JOB_NAME: Final = re.compile(r"(?!.*--)[a-z][a-z0-9-]{0,29}[a-z0-9]")
MEMORY: Final = re.compile(r"(\d+(?:\.\d+)?)Gi")
# Source: https://github.com/Azure/azure-rest-api-specs, Microsoft.App, CommonDefinitions.json, ContainerAppProbe
PROBE_RANGES: Final = {
    "failureThreshold": (1, 10),
    "initialDelaySeconds": (1, 60),
    "periodSeconds": (1, 240),
    "timeoutSeconds": (1, 240),
}


def refusal(inputs: Mapping[str, Any], profiles: Mapping[str, str], storages: Collection[str]) -> str | None:
    """Return why Azure would refuse a job, or would never start it, in a sentence; None where it would not.

    Args:
        inputs: of the job.
        profiles: the types of its environment's workload profiles, by their names.
        storages: the names of its environment's storages.
    """
    return next(_problems(inputs, profiles, storages), None)


def environment_refusal(inputs: Mapping[str, Any]) -> str | None:
    """Return why Azure would refuse an environment, in a sentence; None where it would not."""
    for profile in inputs.get("workloadProfiles") or ():
        kind, name = profile["workloadProfileType"], profile["name"]
        if kind != CONSUMPTION and kind not in PROFILES:
            return f"The workload profile {name!r} is of the type {kind!r}, which is none."
        if profile.get("enableFips") is not None and (kind == CONSUMPTION or PROFILES[kind].by_consumption):
            return f"The workload profile {name!r} is billed by consumption and takes no enableFips."
        counted = {"maximumCount", "minimumCount"} & {key for key, value in profile.items() if value is not None}
        if counted and (kind == CONSUMPTION or PROFILES[kind].by_consumption):
            return f"The workload profile {name!r} is billed by consumption and has no number of nodes."
        if not counted and kind != CONSUMPTION and not PROFILES[kind].by_consumption:
            return f"The workload profile {name!r} has neither minimumCount nor maximumCount."
    destination = (inputs.get("appLogsConfiguration") or {}).get("destination")
    if destination == "log-analytics" and not inputs["appLogsConfiguration"].get("logAnalyticsConfiguration"):
        return "The destination 'log-analytics' needs the workspace's id and key."
    return None


def _problems(inputs: Mapping[str, Any], profiles: Mapping[str, str], storages: Collection[str]) -> Iterator[str]:
    if not JOB_NAME.fullmatch(inputs["jobName"]):
        yield f"The job's name {inputs['jobName']!r} is none: up to 31 lower-case letters, digits and single hyphens."
    profile = inputs.get("workloadProfileName") or CONSUMPTION
    if profile not in profiles:
        yield f"The environment has no workload profile {profile!r}; it has {', '.join(sorted(profiles))}."
    yield from _configuration_problems(inputs)
    template = inputs.get("template") or {}
    volumes = {volume["name"]: volume for volume in template.get("volumes") or ()}
    for name, volume in volumes.items():
        if volume.get("storageType") != "AzureFile" or volume.get("storageName") not in storages:
            yield f"The volume {name!r} is of {volume.get('storageName')!r}, which is no storage of the environment."
    if len(template.get("containers") or ()) != 1:
        yield "A job has one container here."
    for container in template.get("containers") or ():
        yield from _container_problems(container, volumes, profiles.get(profile, CONSUMPTION))


def _configuration_problems(inputs: Mapping[str, Any]) -> Iterator[str]:
    configuration = inputs["configuration"]
    identities = set((inputs.get("identity") or {}).get("userAssignedIdentities") or ())
    event = configuration.get("eventTriggerConfig")
    if configuration.get("triggerType") != "Event" or event is None:
        yield "The job's trigger must be Event, with eventTriggerConfig."
        return
    if not configuration.get("replicaTimeout") or configuration["replicaTimeout"] < 1:
        yield "replicaTimeout must be a number of seconds above 0."
    for registry in configuration.get("registries") or ():
        if registry.get("identity") not in identities:
            yield f"The registry {registry.get('server')!r} is signed in to by an identity that is not the job's."
    scale = event.get("scale") or {}
    least, most = scale.get("minExecutions", 0), scale.get("maxExecutions", 100)
    if not 0 <= least <= most or most < 1:
        yield f"The scale of {least} to {most} executions is none."
    if scale.get("pollingInterval", 30) < 1:
        yield "pollingInterval must be a number of seconds above 0."
    if len(scale.get("rules") or ()) != 1:
        yield "An event-driven job needs a scale rule, and here has one."
    for rule in scale.get("rules") or ():
        yield from _rule_problems(rule, identities)


def _rule_problems(rule: Mapping[str, Any], identities: Collection[str]) -> Iterator[str]:
    if rule.get("type") != "azure-queue":
        yield f"The scale rule is of the type {rule.get('type')!r}, which is not played here."
    metadata = rule.get("metadata") or {}
    if wrong := {key: value for key, value in metadata.items() if not isinstance(value, str)}:
        yield f"The metadata of a scale rule are texts, and {wrong!r} is not."
    if unknown := set(metadata) - {"accountName", "queueLength", "queueName"}:
        yield f"The scaler knows no {', '.join(sorted(unknown))}."
    if missing := {"accountName", "queueName"} - set(metadata):
        yield f"The scaler that signs in by an identity needs {', '.join(sorted(missing))}."
    if not str(metadata.get("queueLength", "5")).isdigit() or metadata.get("queueLength") == "0":
        yield f"queueLength is {metadata.get('queueLength')!r}, which is no number of messages."
    if rule.get("identity") not in identities:
        yield "The scale rule's identity is not the job's."


def _container_problems(container: Mapping[str, Any], volumes: Mapping[str, Any], profile_type: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    cpu, memory = resources.get("cpu"), MEMORY.fullmatch(str(resources.get("memory")))
    if cpu is None or memory is None:
        yield f"The container's resources are {resources!r}, without cores or memory in Gi."
    elif profile_type == CONSUMPTION:
        if (cpu, float(memory[1])) != nearest_pair(cpu, float(memory[1])):
            yield f"{cpu} cores and {memory[0]} are no pair of Consumption."
        if resources.get("gpu"):
            yield "Consumption has no GPU."
    elif cpu > PROFILES[profile_type].cpu or float(memory[1]) > PROFILES[profile_type].memory_gib:
        yield f"{cpu} cores and {memory[0]} are more than a {profile_type} has."
    for variable in container.get("env") or ():
        if not variable.get("value") and not variable.get("secretRef"):
            yield f"The variable {variable['name']!r} has neither a value nor a secret."
    for mount in container.get("volumeMounts") or ():
        if mount["volumeName"] not in volumes:
            yield f"The container mounts {mount['volumeName']!r}, which is no volume of the job."
    for probe in container.get("probes") or ():
        if probe.get("type") not in ("Liveness", "Startup"):
            yield f"A job's container has no probe of the type {probe.get('type')!r}."
        for key, (low, high) in PROBE_RANGES.items():
            if probe.get(key) is not None and not low <= probe[key] <= high:
                yield f"The probe's {key} is {probe[key]}, and must be from {low} to {high}."
