"""What runs the worker as a Container Apps job: an environment, its storages, and the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from infra.local.cloud.cloud import CloudError, Declared, Properties, ResourceHandler, Scene
from infra.local.cloud.container_apps import environment_refusal, refusal
from infra.local.cloud.handlers.common import definition_of, identity_of, probe_of
from infra.local.cloud.machine import AppsEnvironment
from infra.local.services.apps_jobs import AppsJob
from infra.local.services.engines import Definition
from infra.local.services.keda import Scale
from pipeline_app.contract import StorageConnection
from pipeline_app.rest.endpoint import open_account
from pipeline_app.rest.operations import message_count


def environment(scene: Scene, declared: Declared) -> Properties:
    """Take note of an environment; what runs in it runs on this machine."""
    if problem := environment_refusal(declared.inputs):
        raise CloudError(f"{declared.title!r} would be refused by Azure: {problem}")
    profiles = {each["name"]: each["workloadProfileType"] for each in declared.inputs.get("workloadProfiles") or ()}
    scene.machine.environments[declared.id.lower()] = AppsEnvironment(profiles or {"Consumption": "Consumption"})
    return {"location": scene.location, "provisioningState": "Succeeded"}


def environment_storage(scene: Scene, declared: Declared) -> Properties:
    """Take note of a share that jobs of an environment may mount."""
    machine = scene.machine
    file = declared.inputs["properties"]["azureFile"]
    account = machine.accounts.get(file["accountName"])
    if not account or file["accountKey"] != account.key or (account.name, file["shareName"]) not in machine.shares:
        raise CloudError(f"{declared.title!r} is of a wrong account, share or key.")
    owner = machine.environments[declared.id.lower().rpartition("/storages/")[0]]
    owner.storages[declared.name] = machine.shares[account.name, file["shareName"]]
    return {}


def job(scene: Scene, declared: Declared) -> Properties:
    """Make a job, and let its scaler begin."""
    machine, inputs = scene.machine, declared.inputs
    place = machine.environments.get(inputs["environmentId"].lower())
    if place is None:
        raise CloudError(
            f"{declared.title!r} is in {inputs['environmentId']!r}, which is no environment of this stack."
        )
    if problem := refusal({**inputs, "jobName": declared.name}, place.profiles, place.storages):
        raise CloudError(f"{declared.title!r} would be refused by Azure, or never start: {problem}")
    configuration = inputs["configuration"]
    scale = configuration["eventTriggerConfig"]["scale"]
    (rule,) = scale["rules"]
    definition = _definition(scene, declared, place)
    made = AppsJob(
        definition,
        Scale(
            max_executions=scale["maxExecutions"],
            polling_seconds=machine.options.polling_seconds or scale["pollingInterval"],
            queue_length=int(rule["metadata"]["queueLength"]),
        ),
        configuration["replicaTimeout"],
        _counter(scene, declared, rule),
        machine.engine,
        machine.supervisor,
        machine.watcher,
        machine.options.delays,
    )
    machine.directory.forget(declared.id)
    machine.jobs[declared.id.lower()] = made
    made.start()
    return {"identity": identity_of(scene, declared), "location": scene.location, "provisioningState": "Succeeded"}


def _counter(scene: Scene, declared: Declared, rule: Mapping[str, Any]) -> Callable[[], int]:
    """Return what counts the messages of the rule's queue, as the rule's identity and with its rights."""
    account = scene.machine.accounts.get(rule["metadata"]["accountName"])
    if account is None:
        raise CloudError(f"{declared.title!r} scales by {rule['metadata']['accountName']!r}, which is no account here.")
    client_id = scene.machine.identities[rule["identity"].lower()]
    connection = StorageConnection(connection_string=account.connection_of(client_id))
    _, queues = open_account(connection, retries=0)
    return lambda: message_count(queues, rule["metadata"]["queueName"])[0]


def _definition(scene: Scene, declared: Declared, place: AppsEnvironment) -> Definition:
    template = declared.inputs["template"]
    (container,) = template["containers"]
    folders: dict[str, Path] = {each["name"]: place.storages[each["storageName"]] for each in template["volumes"]}
    mounts = {each["mountPath"]: folders[each["volumeName"]] for each in container.get("volumeMounts") or ()}
    variables = {each["name"]: each["value"] for each in container.get("env") or ()}
    liveness = next((each for each in container.get("probes") or () if each["type"] == "Liveness"), None)
    probe = probe_of(declared, liveness, variables)
    return definition_of(scene, declared, container, mounts, variables, probe)


RESOURCES: Final[Mapping[str, ResourceHandler]] = {
    "azure-native:app:Job": job,
    "azure-native:app:ManagedEnvironment": environment,
    "azure-native:app:ManagedEnvironmentsStorage": environment_storage,
}
