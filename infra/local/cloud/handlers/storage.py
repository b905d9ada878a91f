"""Storage accounts, and what is in them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pulumi
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobLeaseClient, ContentSettings

from infra.local.cloud.cloud import CloudError, Declared, InvokeHandler, Properties, ResourceHandler, Scene
from infra.local.data.folder import SHARE, write_private
from infra.local.services.azurite import StorageAccount
from infra.local.services.rights import rights_in
from infra.operate.properties import plain
from pipeline_app.worker.holds import LEASED_CODES

# Source: https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure
MAX_PREFIXES: Final = 10
MAX_RULES: Final = 100


def account(scene: Scene, declared: Declared) -> Properties:
    """Start an Azurite."""
    machine = scene.machine
    data = machine.data
    made = StorageAccount(
        declared.name,
        data.key(f"storage {declared.name}"),
        data.folder("storage", declared.name),
        data.folder("logs") / f"azurite-{declared.name}.log",
    )
    made.on_refusal(lambda line: machine.watcher.warn(f"storage {declared.name}", line))
    made.start(machine.supervisor, machine.azurite(), machine.lose_storage)
    machine.accounts[declared.name] = made

    def rights(client_id: str) -> list[dict[str, Any]]:
        return rights_in(declared.id, machine.directory.assignments(client_id))

    machine.directory.on_change(lambda: made.guard(rights))
    made.guard(rights)
    endpoints = {service: made.endpoint(service) for service in ("blob", "queue", "table")}
    # Azurite serves no files; the share is a folder, and this only ever names the account.
    endpoints["file"] = f"http://127.0.0.1/{declared.name}/"
    return {"location": scene.location, "primaryEndpoints": endpoints, "provisioningState": "Succeeded"}


def blob(scene: Scene, declared: Declared) -> Properties:
    """Upload a file."""
    owner = _owner(scene, declared)
    source = declared.inputs.get("source")
    path = Path(source.path) if isinstance(source, (pulumi.FileAsset, pulumi.FileArchive)) else None
    if path is None or not path.is_file():
        raise CloudError(f"The blob {declared.title!r} has the source {source!r}; the local run uploads files alone.")
    with owner.blobs() as service, path.open("rb") as file:
        client = service.get_blob_client(declared.inputs["containerName"], declared.name)
        settings = ContentSettings(content_type=declared.inputs.get("contentType"))
        metadata = declared.inputs.get("metadata")
        try:
            client.upload_blob(file, content_settings=settings, metadata=metadata, overwrite=True)
        except HttpResponseError as error:
            if plain(getattr(error, "error_code", None)) not in LEASED_CODES:
                raise
            # The stack's own blob, which Azure's provider would not have put up anew; whoever holds a lease on it could
            # not end that while nothing runs.
            BlobLeaseClient(client).break_lease(0)
            file.seek(0)
            client.upload_blob(file, content_settings=settings, metadata=metadata, overwrite=True)
        return {"type": "Block", "url": client.url}


def container(scene: Scene, declared: Declared) -> Properties:
    """Create a blob container, unless the data folder has it already."""
    with _owner(scene, declared).blobs() as service, contextlib.suppress(ResourceExistsError):
        service.create_container(declared.name)
    return {}


def keys(scene: Scene, inputs: Properties) -> Properties:
    """Return an account's keys."""
    key = _account(scene, inputs["accountName"]).key
    return {"keys": [{"keyName": name, "permissions": "FULL", "value": key} for name in ("key1", "key2")]}


def policy(scene: Scene, declared: Declared) -> Properties:
    """Name the rules by which an account deletes old blobs; here everything stays.

    Raises:
        CloudError: Azure would refuse the policy, or a rule is for a container that is not there.
    """
    rules = declared.inputs["policy"]["rules"]
    if declared.name != "default" or not 1 <= len(rules) <= MAX_RULES:
        raise CloudError(f"{declared.title!r} must be called default and have 1 to {MAX_RULES} rules.")
    with _owner(scene, declared).blobs() as service:
        containers = {each.name for each in service.list_containers()}
    for rule in rules:
        prefixes = rule["definition"]["filters"]["prefixMatch"]
        if not rule["name"].isalnum() or not 1 <= len(prefixes) <= MAX_PREFIXES:
            raise CloudError(f"The rule {rule['name']!r} of {declared.title!r} has no plain name or no prefix.")
        if unknown := [each for each in prefixes if each.partition("/")[0] not in containers]:
            raise CloudError(
                f"The rule {rule['name']!r} is for {unknown}, which begin with no container of the account."
            )
    return {}


def queue(scene: Scene, declared: Declared) -> Properties:
    """Create a queue, unless the data folder has it already."""
    with _owner(scene, declared).queues() as service, contextlib.suppress(ResourceExistsError):
        service.create_queue(declared.name)
    return {}


def service(scene: Scene, declared: Declared) -> Properties:
    """Check how long a service keeps what was deleted; Azurite keeps nothing."""
    _owner(scene, declared)
    if declared.name != "default":
        raise CloudError(
            f"{declared.title!r} is called {declared.name!r}; a service of an account is called 'default'."
        )
    for key, policy in declared.inputs.items():
        if key.endswith("RetentionPolicy") and policy["enabled"] != (1 <= policy.get("days", 0) <= 365):
            raise CloudError(f"{declared.title!r} has the {key} {policy}; Azure takes 1 to 365 days, or none at all.")
    return {}


def share(scene: Scene, declared: Declared) -> Properties:
    """Make the folder that stands for the file share."""
    machine = scene.machine
    if machine.shares:
        raise CloudError(f"The program declares the file share {declared.name!r} next to another; one is known here.")
    machine.shares[_owner(scene, declared).name, declared.name] = machine.data.folder(SHARE)
    return {}


def share_file(scene: Scene, declared: Declared) -> Properties:
    """Write a file to the share."""
    inputs = declared.inputs
    account = str(inputs["account_id"]).rpartition("/")[2]
    folder = scene.machine.shares.get((account, inputs["share_name"]))
    if folder is None:
        raise CloudError(
            f"The file {declared.title!r} goes to the share {inputs['share_name']!r} of the account "
            f"{inputs['account_id']!r}, which is not there. Take both from the resources' outputs."
        )
    path = PurePosixPath(inputs["path"])
    if path.is_absolute() or ".." in path.parts:
        raise CloudError(f"The file {declared.title!r} has the path {inputs['path']!r}, which is not below the share.")
    parent = folder
    for part in path.parts[:-1]:
        parent /= part
        if parent.is_symlink():
            # On a real share an application can make none that leads anywhere else.
            parent.unlink()
        parent.mkdir(exist_ok=True)
    # The new file takes the place of whatever is there, so that nothing is written through a link.
    write_private(parent / path.name, inputs["content"])
    return {"id": f"{inputs['share_name']}/{inputs['path']}"}


def _account(scene: Scene, name: Any) -> StorageAccount:
    if name not in scene.machine.accounts:
        raise CloudError(f"There is no storage account {name!r}. Take the name from the account's output.")
    return scene.machine.accounts[name]


def _owner(scene: Scene, declared: Declared) -> StorageAccount:
    return _account(scene, declared.inputs["accountName"])


INVOKES: Final[Mapping[str, InvokeHandler]] = {"azure-native:storage:listStorageAccountKeys": keys}
RESOURCES: Final[Mapping[str, ResourceHandler]] = {
    "azure-native:storage:Blob": blob,
    "azure-native:storage:BlobContainer": container,
    "azure-native:storage:BlobServiceProperties": service,
    "azure-native:storage:FileServiceProperties": service,
    "azure-native:storage:FileShare": share,
    "azure-native:storage:ManagementPolicy": policy,
    "azure-native:storage:Queue": queue,
    "azure-native:storage:StorageAccount": account,
    "pulumi-python:dynamic/storage:ShareFile": share_file,
}
