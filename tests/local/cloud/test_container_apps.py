"""What Azure would refuse of a Container Apps job, or never start, is refused here with its reason."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

import pytest

from infra.local.cloud.container_apps import environment_refusal, refusal

IDENTITY: Final = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
PROFILES: Final = {"Consumption": "Consumption", "workers": "D4"}
JOB: Final = {
    "configuration": {
        "eventTriggerConfig": {
            "scale": {
                "maxExecutions": 10,
                "minExecutions": 0,
                "pollingInterval": 30,
                "rules": [
                    {
                        "identity": IDENTITY,
                        "metadata": {"accountName": "files", "queueLength": "1", "queueName": "jobs"},
                        "name": "jobs",
                        "type": "azure-queue",
                    }
                ],
            }
        },
        "registries": [{"identity": IDENTITY, "server": "registry.azurecr.io"}],
        "replicaTimeout": 1800,
        "triggerType": "Event",
    },
    "identity": {"userAssignedIdentities": [IDENTITY]},
    "jobName": "worker",
    "template": {
        "containers": [
            {
                "env": [{"name": "APP_ALIAS", "value": "report"}],
                "image": "registry.azurecr.io/worker@sha256:00",
                "name": "worker",
                "probes": [{"initialDelaySeconds": 15, "periodSeconds": 20, "type": "Liveness"}],
                "resources": {"cpu": 1, "memory": "2Gi"},
                "volumeMounts": [{"mountPath": "/mnt/azurefiles", "volumeName": "share"}],
            }
        ],
        "volumes": [{"name": "share", "storageName": "share-1", "storageType": "AzureFile"}],
    },
    "workloadProfileName": "Consumption",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the job with another value at a path; None takes it out."""
    job: Any = copy.deepcopy(JOB)
    *parents, last = [int(each) if each.isdigit() else each for each in path.split(".")]
    place = job
    for each in parents:
        place = place[each]
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert json.dumps(job) != json.dumps(JOB)
    return dict(job)


def test_a_job_that_azure_takes_is_taken() -> None:
    assert refusal(JOB, PROFILES, {"share-1"}) is None
    dedicated = changed("workloadProfileName", "workers")
    dedicated["template"]["containers"][0]["resources"] = {"cpu": 3.3, "memory": "15.5Gi"}
    assert refusal(dedicated, PROFILES, {"share-1"}) is None


CONTAINER: Final = "template.containers.0"
SCALE: Final = "configuration.eventTriggerConfig.scale"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("jobName", "Worker", "is none: up to 31"),
        ("jobName", "w--orker", "is none"),
        ("jobName", "w" * 32, "is none"),
        ("workloadProfileName", "fast", "no workload profile 'fast'; it has Consumption, workers"),
        ("configuration.triggerType", "Manual", "trigger must be Event"),
        ("configuration.eventTriggerConfig", None, "trigger must be Event"),
        ("configuration.replicaTimeout", 0, "replicaTimeout"),
        ("configuration.registries.0.identity", "/other", "an identity that is not the job's"),
        (f"{SCALE}.maxExecutions", 0, "scale of 0 to 0"),
        (f"{SCALE}.minExecutions", 11, "scale of 11 to 10"),
        (f"{SCALE}.pollingInterval", 0, "pollingInterval"),
        (f"{SCALE}.rules", [], "needs a scale rule"),
        (f"{SCALE}.rules.0.type", "azure-servicebus", "not played here"),
        (f"{SCALE}.rules.0.identity", None, "identity is not the job's"),
        (f"{SCALE}.rules.0.metadata.queueLength", 1, "are texts"),
        (f"{SCALE}.rules.0.metadata.queueLength", "0", "no number of messages"),
        (f"{SCALE}.rules.0.metadata.accountName", None, "needs accountName"),
        (f"{SCALE}.rules.0.metadata.queueuLength", "1", "knows no queueuLength"),
        ("template.volumes.0.storageName", "share-2", "no storage of the environment"),
        ("template.volumes.0.storageType", "EmptyDir", "no storage of the environment"),
        ("template.containers", [], "one container"),
        (f"{CONTAINER}.resources", {"cpu": 1}, "without cores or memory"),
        (f"{CONTAINER}.resources.memory", "2.5Gi", "no pair of Consumption"),
        (f"{CONTAINER}.resources.cpu", 4.25, "no pair of Consumption"),
        (f"{CONTAINER}.resources.gpu", 1, "no GPU"),
        (f"{CONTAINER}.env.0.value", "", "neither a value nor a secret"),
        (f"{CONTAINER}.volumeMounts.0.volumeName", "files", "no volume of the job"),
        (f"{CONTAINER}.probes.0.type", "Readiness", "no probe of the type"),
        (f"{CONTAINER}.probes.0.initialDelaySeconds", 61, "must be from 1 to 60"),
    ],
)
def test_what_azure_refuses_is_refused_with_its_reason(path: str, value: Any, reason: str) -> None:
    found = refusal(changed(path, value), PROFILES, {"share-1"})
    assert found is not None
    assert reason in found


def test_more_than_a_profile_has_is_refused() -> None:
    job = changed("workloadProfileName", "workers")
    job["template"]["containers"][0]["resources"] = {"cpu": 4, "memory": "17Gi"}
    assert "more than a D4 has" in str(refusal(job, PROFILES, {"share-1"}))


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"workloadProfileType": "D5"}, "which is none"),
        ({"workloadProfileType": "D4"}, "neither minimumCount nor maximumCount"),
        ({"workloadProfileType": "Consumption", "maximumCount": 3}, "no number of nodes"),
        ({"workloadProfileType": "Consumption-GPU-NC8as-T4", "minimumCount": 0}, "no number of nodes"),
        ({"workloadProfileType": "Consumption", "enableFips": False}, "takes no enableFips"),
    ],
)
def test_a_wrong_profile_is_refused(profile: dict[str, Any], reason: str) -> None:
    found = environment_refusal({"workloadProfiles": [{"name": "workers", **profile}]})
    assert found is not None
    assert reason in found


def test_an_environment_that_azure_takes_is_taken() -> None:
    profiles = [
        {"name": "Consumption", "workloadProfileType": "Consumption"},
        {"maximumCount": 3, "minimumCount": 0, "name": "workers", "workloadProfileType": "D4"},
        {"name": "gpu", "workloadProfileType": "Consumption-GPU-NC24-A100"},
    ]
    assert environment_refusal({"workloadProfiles": profiles}) is None
    logs = {"destination": "log-analytics"}
    assert "needs the workspace's id" in str(environment_refusal({"appLogsConfiguration": logs}))
