"""Container groups of a question's own, which run a few lines of Python in the stack's image.

The worker's image is what the pipeline runs, so it is the one whose pull, user and mount matter; a group of its own
disturbs no worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.acceptance.asking import NotAnswered
from infra.acceptance.azure import Reply
from infra.acceptance.site import Site
from infra.settings.naming import SHARE_MOUNT

VERSION: Final = "2023-05-01"
CONTAINER: Final = "probe"
ENDED: Final = frozenset({"Failed", "Stopped", "Succeeded", "Terminated"})
IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
READY_SECONDS: Final = 600
PROBES: Final = Path(__file__).with_name("probes")
WORKER_IDENTITY: Final = "worker-identity"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a probe group is to be.

    Attributes:
        arguments: of the probe.
        identities: ids of identities besides the one that pulls the image.
        liveness: the path on port 5000 that a liveness probe asks, or None for no probe.
        probe: the name of the file in the folder ``probes``.
        share: whether the file share is mounted.
    """

    arguments: Sequence[str] = ()
    identities: Sequence[str] = ()
    liveness: str | None = None
    probe: str
    share: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class ProbeGroup:
    """A container group that a question has made."""

    def __init__(self, site: Site, name: str, body: dict[str, Any]) -> None:
        self.body = body
        self.id = f"{site.resource_group}/providers/Microsoft.ContainerInstance/containerGroups/{name}"
        self.name = name
        self._site = site

    def put(self, body: Mapping[str, Any] | None = None) -> Reply:
        """Put the group as it was asked for, or as ``body`` says."""
        return self._site.azure.arm("PUT", self.id, VERSION, body or self.body)

    def act(self, action: str) -> Reply:
        """Post ``start``, ``stop`` or ``restart``."""
        return self._site.azure.arm("POST", f"{self.id}/{action}", VERSION)

    def delete(self) -> None:
        """Delete it and wait until it is gone."""
        self._site.azure.arm("DELETE", self.id, VERSION)
        self._site.clock.wait(
            lambda: True if self._site.azure.arm("GET", self.id, VERSION).status == 404 else None,
            f"the group {self.name} to be gone",
            seconds=READY_SECONDS,
        )

    def view(self) -> dict[str, Any]:
        """Return its properties."""
        reply = self._site.azure.arm("GET", self.id, VERSION)
        properties: dict[str, Any] = reply.value(f"Looking at the group {self.name}").get("properties") or {}
        return properties

    def state(self) -> str:
        """Return its state, such as ``Running``; empty where Azure does not say yet."""
        return str((self.view().get("instanceView") or {}).get("state") or "")

    def container(self) -> dict[str, Any]:
        """Return its container's instance view."""
        containers = self.view().get("containers") or [{}]
        return dict(containers[0].get("properties", {}).get("instanceView") or {})

    def events(self) -> list[dict[str, Any]]:
        """Return what the platform reports of it, the group's and the container's."""
        return [*((self.view().get("instanceView") or {}).get("events") or []), *(self.container().get("events") or [])]

    def wait(self, *states: str, seconds: float = READY_SECONDS) -> str:
        """Wait until it is in one of these states, and return that.

        Raises:
            NotAnswered: it is not for so long; the text has what the platform reports.
        """

        def look() -> str | None:
            state = self.state()
            return state if state in states else None

        try:
            return self._site.clock.wait(look, f"{self.name} to be {' or '.join(states)}", seconds=seconds)
        except NotAnswered as reason:
            told = "; ".join(str(each.get("message")) for each in self.events()[-3:])
            raise NotAnswered(f"{reason} It is {self.state() or 'in no state yet'}. {told}") from reason

    def wait_ended(self, seconds: float = READY_SECONDS) -> str:
        """Wait until it has ended, and return its state."""
        return self.wait(*sorted(ENDED), seconds=seconds)

    def text(self) -> str:
        """Return what the probe has printed."""
        reply = self._site.azure.arm("GET", f"{self.id}/containers/{CONTAINER}/logs", VERSION)
        return str(reply.value(f"Reading the log of {self.name}").get("content") or "")

    def lines(self) -> list[dict[str, Any]]:
        """Return the JSON objects that the probe has printed, one a line."""
        found = []
        for line in self.text().splitlines():
            # Whatever the image itself prints is not the probe's.
            if line.startswith("{"):
                found.append(json.loads(line))
        return found


@contextmanager
def probe_group(site: Site, name: str, wanted: Wanted) -> Iterator[ProbeGroup]:
    """Make a group, and delete it at the end.

    The resource group's end would take it along too; it is deleted at once since it holds cores of the quota.

    Raises:
        NotAnswered: Azure refuses it.
    """
    group = ProbeGroup(site, name, _body(site, wanted))
    try:
        group.put().value(f"Making the group {name}")
        yield group
    finally:
        site.azure.arm("DELETE", group.id, VERSION)


def image_is_own(site: Site) -> bool:
    """Tell whether the image is in the stack's own registry."""
    return site.output("imageReference").startswith(f"{site.output('registryLoginServer')}/")


def _body(site: Site, wanted: Wanted) -> dict[str, Any]:
    worker = str(site.resource(IDENTITY, WORKER_IDENTITY)["id"])
    script = (PROBES / f"{wanted.probe}.py").read_text(encoding="utf-8")
    container: dict[str, Any] = {
        "command": ["python3", "-c", script, *wanted.arguments],
        "image": site.output("imageReference"),
        "resources": {"requests": {"cpu": 1.0, "memoryInGB": 1.0}},
    }
    properties: dict[str, Any] = {
        "containers": [{"name": CONTAINER, "properties": container}],
        "osType": "Linux",
        "restartPolicy": "Never",
    }
    if wanted.liveness is not None:
        container["ports"] = [{"port": 5000, "protocol": "TCP"}]
        container["livenessProbe"] = {
            "failureThreshold": 3,
            "httpGet": {"path": wanted.liveness, "port": 5000, "scheme": "http"},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        }
    if image_is_own(site):
        properties["imageRegistryCredentials"] = [{"identity": worker, "server": site.output("registryLoginServer")}]
    if wanted.share:
        container["volumeMounts"] = [{"mountPath": SHARE_MOUNT, "name": "share"}]
        properties["volumes"] = [{"azureFile": _share(site), "name": "share"}]
    return {
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {each: {} for each in sorted({worker, *wanted.identities})},
        },
        "location": site.location,
        "properties": properties,
        "tags": dict(wanted.tags),
    }


def _share(site: Site) -> dict[str, str]:
    account = site.output("appStorageAccountName")
    return {
        "shareName": site.output("shareName"),
        "storageAccountKey": site.account_key(account),
        "storageAccountName": account,
    }
