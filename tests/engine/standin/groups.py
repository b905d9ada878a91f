"""What Azure refuses of a container group: what it mounts and pulls has to be there and open to it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from tests.engine.standin.cloud import CloudError
from tests.engine.standin.names import account_key, named, stable_uuid
from tests.engine.standin.wire import Properties

ACR_PULL: Final = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def check_group(content: dict[str, Any], inputs: Properties) -> None:
    """Refuse a group that Azure could not run: its shares, its image and its variables have to be there.

    Raises:
        CloudError: with Azure's code and reason.
    """
    resources = content["resources"]
    for volume in inputs.get("volumes", []):
        file = volume["azureFile"]
        account = named(content, "azure-native:storage:StorageAccount", file["storageAccountName"])
        if account is None or f"{account}/fileServices/default/shares/{file['shareName']}" not in resources:
            raise CloudError(f"InvalidVolume: there is no share {file['shareName']!r}")
        if file["storageAccountKey"] != account_key(content, file["storageAccountName"]):
            raise CloudError("InvalidVolume: the account's key is wrong")
    for container in inputs["containers"]:
        _check_pull(content, inputs, container["image"])
        if any(not variable.get("value") for variable in container["environmentVariables"]):
            raise CloudError("InvalidEnvironmentVariable: a variable has no value")


def _check_pull(content: dict[str, Any], inputs: Properties, image: str) -> None:
    """Refuse an image that is not there, or that the group may not pull with what it brings for that server.

    Registries that are none of this cloud's are public, and have what they are asked for.
    """
    resources = content["resources"]
    server = image.partition("/")[0]
    registry = next((key for key, each in resources.items() if each["outputs"].get("loginServer") == server), None)
    if registry is None and not server.endswith(".azurecr.io"):
        return
    credentials = [each for each in inputs.get("imageRegistryCredentials") or [] if each["server"] == server]
    if registry is None or image not in content["images"]:
        raise CloudError(f"InaccessibleImage: {image} cannot be pulled")
    if not credentials or credentials[0]["identity"] not in inputs["identity"]["userAssignedIdentities"]:
        raise CloudError(f"InaccessibleImage: {server} is asked without an identity of the group")
    principal = stable_uuid(f"{credentials[0]['identity']}/principal")
    given = [
        datetime.fromisoformat(each["outputs"]["createdOn"]).timestamp()
        for each in resources.values()
        if each["inputs"].get("scope") == registry
        and each["inputs"].get("principalId") == principal
        and each["inputs"]["roleDefinitionId"].endswith(ACR_PULL)
    ]
    if not given:
        raise CloudError(f"InaccessibleImage: no identity of the group may pull from {server}")
    if time.time() - min(given) < content["role_seconds"]:
        raise CloudError(f"InaccessibleImage: the role to pull from {server} is not in force yet")
