"""What runs code: images, container groups and the Function App."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobClient

from infra.local.cloud import flex
from infra.local.cloud.cloud import CloudError, Declared, Properties, ResourceHandler, Scene
from infra.local.cloud.handlers.common import client_ids, definition_of, identity_of, localized, probe_of
from infra.local.services.containers import ContainerGroup
from infra.local.services.functions import FunctionHost, Site, unpack
from infra.local.services.images import Build


def container_group(scene: Scene, declared: Declared) -> Properties:
    """Make a container group and, as Azure does, run it."""
    machine, inputs = scene.machine, declared.inputs
    if len(inputs["containers"]) != 1 or inputs.get("restartPolicy") != "Never":
        raise CloudError(f"{declared.title!r} must have one container and the restart policy Never to run here.")
    (container,) = inputs["containers"]
    mounts = _mounts(scene, declared, container)
    variables = {
        variable["name"]: variable.get("value") or variable.get("secureValue") or ""
        for variable in container.get("environmentVariables") or []
    }
    probe = probe_of(declared, container.get("livenessProbe"), variables)
    if probe and probe.port not in (each["port"] for each in container.get("ports") or ()):
        raise CloudError(
            f"{declared.title!r} has a liveness probe for port {probe.port}, which the container must declare, or "
            "Azure would end it again and again."
        )
    definition = definition_of(scene, declared, container, mounts, variables, probe)
    group = ContainerGroup(definition, machine.engine, machine.supervisor, machine.watcher)
    # Roles on a group of that name have ended with it.
    machine.directory.forget(declared.id)
    machine.groups[declared.id.lower()] = group
    group.start()
    return {"identity": identity_of(scene, declared), "location": scene.location, "provisioningState": "Succeeded"}


def image(scene: Scene, declared: Declared) -> Properties:
    """Build an image from the project and the unpacked artifact."""
    machine = scene.machine
    made = machine.builder.build(Build.read(declared.inputs), machine.artifact)
    machine.images[made.reference] = made
    name = declared.inputs["imageName"]
    return {"baseImageName": name, "imageName": name, "repoDigest": made.reference}


def image_tag(_scene: Scene, declared: Declared) -> Properties:
    """Take note of further names of an image; it stays where it was built."""
    return {"built": declared.inputs["reference"]}


def one_deploy(scene: Scene, declared: Declared) -> Properties:
    """Unpack the deployed archive and start the host of its Function App."""
    machine, inputs = scene.machine, declared.inputs
    site = machine.sites.get(inputs["app_id"].lower())
    if site is None:
        raise CloudError(f"{declared.title!r} deploys to {inputs['app_id']!r}, which is no Function App of this stack.")
    archive = machine.data.folder("function") / f"{inputs['package_sha256'][:16]}.zip"
    archive.write_bytes(_download(scene, declared, inputs["blob_url"]))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != inputs["package_sha256"]:
        raise CloudError(f"{declared.title!r}: the package has the SHA-256 {found}, not {inputs['package_sha256']}.")
    root = archive.with_suffix("")
    unpack(archive, root)
    host = FunctionHost(site, root, machine.data, machine.watcher, machine.called, machine.queued)
    host.start(machine.supervisor)
    return {"id": f"{inputs['app_id']}/extensions/onedeploy"}


def passwords_allowed(scene: Scene, declared: Declared) -> Properties:
    """Take note of whether passwords open an app's deployment; no service here knows any."""
    site = declared.id.lower().partition("/basicpublishingcredentialspolicies/")[0]
    if site not in scene.machine.sites:
        raise CloudError(f"{declared.title!r} is a policy of {site!r}, which is no Function App of this stack.")
    return {"allow": declared.inputs["allow"]}


def web_app(scene: Scene, declared: Declared) -> Properties:
    """Take the settings of a Function App; its host starts once code is deployed."""
    machine, inputs = scene.machine, declared.inputs
    if problem := flex.refusal(inputs):
        raise CloudError(f"{declared.title!r} would be refused by Azure: {problem}")
    assigned = set(client_ids(scene, declared))
    given = (inputs.get("siteConfig") or {}).get("appSettings") or []
    settings = localized(scene, declared, {setting["name"]: setting["value"] for setting in given})
    header = machine.directory.add_site(assigned)
    machine.sites[declared.id.lower()] = Site(
        client_ids=frozenset(assigned),
        name=declared.name,
        settings={
            **settings,
            "AZURE_RESOURCE_MANAGER_ENDPOINT": machine.arm.url,
            "IDENTITY_ENDPOINT": machine.tokens.url,
            "IDENTITY_HEADER": header,
            "REQUESTS_CA_BUNDLE": str(machine.authority_file),
            "WEBSITE_SITE_NAME": declared.name,
        },
    )
    return {
        "defaultHostName": f"{declared.name}.azurewebsites.net",
        "identity": identity_of(scene, declared),
        "location": scene.location,
        "state": "Running",
    }


def _download(scene: Scene, declared: Declared, url: str) -> bytes:
    for account in scene.machine.accounts.values():
        if url.startswith(account.endpoint("blob")):
            credential = {"account_name": account.name, "account_key": account.key}
            with BlobClient.from_blob_url(url, credential=credential, retry_total=0) as blob:
                data: bytes = blob.download_blob().readall()
                return data
    raise CloudError(f"{declared.title!r} deploys {url!r}, which is in no storage account of this stack.")


def _mounts(scene: Scene, declared: Declared, container: Mapping[str, Any]) -> dict[str, Path]:
    volumes = {volume["name"]: volume.get("azureFile") for volume in declared.inputs.get("volumes") or []}
    mounts = {}
    for volume_mount in container.get("volumeMounts") or []:
        volume = volumes.get(volume_mount["name"])
        account = scene.machine.accounts.get((volume or {}).get("storageAccountName", ""))
        if not volume or not account or volume["storageAccountKey"] != account.key:
            raise CloudError(f"{declared.title!r} mounts {volume_mount['name']!r} with a wrong account, share or key.")
        mounts[volume_mount["mountPath"]] = scene.machine.shares[account.name, volume["shareName"]]
    return mounts


RESOURCES: Final[Mapping[str, ResourceHandler]] = {
    "azure-native:containerinstance:ContainerGroup": container_group,
    "azure-native:web:WebApp": web_app,
    "azure-native:web:WebAppScmAllowed": passwords_allowed,
    "docker:index/image:Image": image,
    "pulumi-python:dynamic/containerregistry:ImageTag": image_tag,
    "pulumi-python:dynamic/web:OneDeploy": one_deploy,
}
