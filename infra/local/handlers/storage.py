"""Storage accounts, and what is in them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pulumi
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContentSettings

from ..azurite import StorageAccount
from ..cloud import CloudError, Declared, InvokeHandler, Properties, ResourceHandler, Scene


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
    made.start(machine.supervisor, machine.azurite(), machine.lose_storage)
    machine.accounts[declared.name] = made
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
        client.upload_blob(file, content_settings=settings, metadata=declared.inputs.get("metadata"), overwrite=True)
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


def queue(scene: Scene, declared: Declared) -> Properties:
    """Create a queue, unless the data folder has it already."""
    with _owner(scene, declared).queues() as service, contextlib.suppress(ResourceExistsError):
        service.create_queue(declared.name)
    return {}


def share(scene: Scene, declared: Declared) -> Properties:
    """Make the folder that stands for the file share."""
    machine = scene.machine
    if machine.shares:
        raise CloudError(f"The program declares the file share {declared.name!r} next to another; one is known here.")
    machine.shares[_owner(scene, declared).name, declared.name] = machine.data.folder("share")
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
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(inputs["content"], encoding="utf-8", newline="")
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
    "azure-native:storage:FileShare": share,
    "azure-native:storage:Queue": queue,
    "azure-native:storage:StorageAccount": account,
    "pulumi-python:dynamic/storage:ShareFile": share_file,
}
