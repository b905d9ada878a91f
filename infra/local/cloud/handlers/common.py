"""What the handlers of several kinds of containers and apps have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.cloud.cloud import CloudError, Declared, Properties, Scene
from infra.local.cloud.settings import SettingsError, localize, mount
from infra.local.services.engines import Definition
from infra.local.services.images import Image
from infra.local.services.liveness import Probe
from pipeline_app.worker.settings import HEALTH_PORT


def client_ids(scene: Scene, declared: Declared) -> list[str]:
    """Return the client ids of the identities that a resource has."""
    return [each["clientId"] for each in identity_of(scene, declared)["userAssignedIdentities"].values()]


def definition_of(
    scene: Scene,
    declared: Declared,
    container: Mapping[str, Any],
    mounts: Mapping[str, Path],
    variables: Mapping[str, str],
    probe: Probe | None,
) -> Definition:
    """Return what an engine runs for the one container of a resource.

    Raises:
        CloudError: a connection or the image would not work in Azure either.
    """
    environment = localized(scene, declared, variables)
    image = image_of(scene, container["image"])
    return Definition(
        command=container.get("command") or (),
        container=container["name"],
        # A process has no mount, so its paths lead to the folder itself; a container has one.
        environment=mount(environment, mounts) if image.folder else environment,
        id=declared.id,
        image=image,
        location=scene.location,
        mounts=mounts,
        name=declared.name,
        probe=probe,
    )


def identity_of(scene: Scene, declared: Declared) -> Properties:
    """Return the identities as the API does: by id, with what Azure knows of each."""
    identity = declared.inputs.get("identity") or {}
    found = {}
    for resource_id in identity.get("userAssignedIdentities") or []:
        if resource_id.lower() not in scene.machine.identities:
            raise CloudError(f"{declared.title!r} uses the identity {resource_id!r}, which is none of this stack.")
        found[resource_id] = {"clientId": scene.machine.identities[resource_id.lower()]}
    return {"type": identity.get("type", "None"), "userAssignedIdentities": found}


def image_of(scene: Scene, reference: str) -> Image:
    """Return the image that a container runs.

    Raises:
        CloudError: it is not on this machine, and no engine could pull it.
    """
    if reference in scene.machine.images:
        return scene.machine.images[reference]
    if scene.machine.options.containers:
        return Image(digest="", environment={}, folder=None, name=reference)
    raise CloudError(
        f"The container runs the image {reference!r}, which this stack does not build. Leave out imageReference, or "
        "run with --containers, which lets a Docker engine pull it."
    )


def localized(scene: Scene, declared: Declared, settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings with the connections of this machine.

    Raises:
        CloudError: one of them would not work in Azure either.
    """
    try:
        return localize(settings, scene.machine.accounts, client_ids(scene, declared))
    except SettingsError as error:
        raise CloudError(f"{declared.title!r}: {error}") from error


def probe_of(declared: Declared, given: Mapping[str, Any] | None, variables: Mapping[str, str]) -> Probe | None:
    """Return a container's liveness probe, or None where it has none.

    Raises:
        CloudError: the container does not serve its port, so Azure would end it again and again.
    """
    if not given:
        return None
    probe = Probe.read(given)
    served = int(variables.get("APP_HEALTH_PORT", HEALTH_PORT))
    if probe.port != served:
        raise CloudError(
            f"{declared.title!r} has a liveness probe for port {probe.port}, which the container must serve (it serves "
            f"{served}), or Azure would end it again and again."
        )
    return probe
