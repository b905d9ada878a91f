"""What Azure refuses of a Container Apps job: what it mounts and pulls has to be there and open to it."""

from __future__ import annotations

from typing import Any, Final

from infra.local.cloud.container_apps import environment_refusal, refusal
from tests.engine.standin.cloud import CloudError
from tests.engine.standin.groups import check_group
from tests.engine.standin.wire import Properties

ENVIRONMENT: Final = "azure-native:app:ManagedEnvironment"
JOB: Final = "azure-native:app:Job"
STORAGE: Final = "azure-native:app:ManagedEnvironmentsStorage"


def check_job(content: dict[str, Any], inputs: Properties) -> None:
    """Refuse a job that Azure could not run.

    Raises:
        CloudError: with Azure's code and reason.
    """
    environment = content["resources"][inputs["environmentId"]]["inputs"]
    profiles = {each["name"]: each["workloadProfileType"] for each in environment.get("workloadProfiles") or ()}
    if problem := refusal(inputs, profiles, set(_storages(content, inputs["environmentId"]))):
        raise CloudError(f"InvalidParameterValueInContainerTemplate: {problem}")
    check_group(content, as_group(content, inputs))


def check_environment(inputs: Properties) -> None:
    """Refuse an environment that Azure would not make.

    Raises:
        CloudError: with Azure's code and reason.
    """
    if problem := environment_refusal(inputs):
        raise CloudError(f"ManagedEnvironmentInvalid: {problem}")


def check_environment_deletion(content: dict[str, Any], environment_id: str) -> None:
    """Refuse to delete an environment that has a job.

    Raises:
        CloudError: with Azure's code and reason.
    """
    for key, each in content["resources"].items():
        if each["type"] == JOB and each["inputs"]["environmentId"] == environment_id:
            raise CloudError(f"ManagedEnvironmentHasApps: {environment_id} has the job {key}")


def as_group(content: dict[str, Any], job: Properties) -> Properties:
    """Return a job as the container group that it would be."""
    template, storages = job["template"], _storages(content, job["environmentId"])
    volumes = []
    for volume in template.get("volumes") or ():
        file = storages[volume["storageName"]]["properties"]["azureFile"]
        azure_file = {
            "shareName": file["shareName"],
            "storageAccountKey": file["accountKey"],
            "storageAccountName": file["accountName"],
        }
        volumes.append({"azureFile": azure_file, "name": volume["name"]})
    containers = [
        {"environmentVariables": each["env"], "image": each["image"], "name": each["name"]}
        for each in template["containers"]
    ]
    return {
        "containers": containers,
        "identity": job["identity"],
        "imageRegistryCredentials": job["configuration"].get("registries") or [],
        "volumes": volumes,
    }


def _storages(content: dict[str, Any], environment_id: str) -> dict[str, Properties]:
    return {
        each["name"]: each["inputs"]
        for key, each in content["resources"].items()
        if each["type"] == STORAGE and key.startswith(f"{environment_id}/")
    }
