"""What Azure Resource Manager is asked of a Flex Consumption app while its package is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient

from infra.deployer.resource_manager import PASSING, Answer, ResourceManager
from infra.deployer.signed_url import signed_url

# Where the platform keeps the package that the app runs, in the app's deployment container. Source:
# https://learn.microsoft.com/azure/azure-functions/functions-infrastructure-as-code?pivots=flex-consumption-plan
PLATFORM_PACKAGE: Final = "released-package.zip"

SITES_VERSION: Final = "2024-04-01"


class FunctionSite:
    """One app and the package that is for it; an answer that is an error raises as from the resource manager.

    Attributes:
        app_id: ARM id of the app.
        latest: where the newest deployment is, which may still be the one before that which was begun.
    """

    def __init__(self, manager: ResourceManager, props: Mapping[str, Any]) -> None:
        """Take the props of :class:`infra.deployer.one_deploy.OneDeploy`."""
        self._blob_url = str(props["blob_url"])
        self._manager = manager
        self._storage_account_id = props["storage_account_id"]
        self.app_id = str(props["app_id"])
        self.latest = f"{self.app_id}/deployments/latest?api-version={SITES_VERSION}"

    @property
    def date(self) -> datetime | None:
        """The time of the last answer by Azure's own clock, or None where it did not say."""
        return self._manager.date

    def hand_over(self) -> Answer:
        """Begin the deployment of the package; it is signed for the platform, by a key that is asked for each time."""
        return self._manager.send(
            "PUT",
            f"{self.app_id}/extensions/onedeploy?api-version={SITES_VERSION}",
            {"properties": {"packageUri": self._signed(self._blob_url), "remoteBuild": False}},
        )

    def listed(self) -> frozenset[str]:
        """Return the names of the functions that Azure lists; a site that restarts lists none."""
        try:
            answer = self._manager.send("GET", f"{self.app_id}/functions?api-version={SITES_VERSION}")
        except PASSING:
            return frozenset()
        return frozenset(str(each["name"]).rpartition("/")[2] for each in answer.body.get("value") or [])

    def location(self, answer: Answer) -> str:
        """Return where to look after a deployment: where the answer says, else at the newest one.

        The address may be one of Kudu's own site, which is not asked: the token is for Azure Resource Manager.
        """
        location = answer.headers.get("Location", "")
        if location.startswith(f"{self._manager.host}/"):
            return location
        return self.latest

    def look(self, where: str) -> Answer:
        """Look after a deployment at a ``location``."""
        return self._manager.send("GET", where)

    def package_modified(self) -> datetime | None:
        """Return when the platform last took a package for the app, by the clock of storage, or None where it has none.

        Raises:
            azure.core.exceptions.AzureError: storage refused, or does not answer.
        """
        url = f"{self._blob_url.partition('/uploads/')[0]}/{PLATFORM_PACKAGE}"
        with BlobClient.from_blob_url(self._signed(url)) as blob:
            try:
                return blob.get_blob_properties().last_modified
            except ResourceNotFoundError:
                return None

    def sync_triggers(self) -> None:
        """Have the app's triggers made known to what scales it."""
        self._manager.send("POST", f"{self.app_id}/syncfunctiontriggers?api-version={SITES_VERSION}")

    def _signed(self, blob_url: str) -> str:
        key = self._manager.account_key(self._storage_account_id)
        return signed_url(blob_url, key, datetime.now(UTC))


def identity(deployment: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a deployment from the one before it, or nothing where it says nothing of the kind."""
    told = tuple(deployment.get(key) for key in ("id", "received_time", "start_time"))
    return told if any(told) else ()


def properties(answer: Answer) -> Mapping[str, Any]:
    """Return what an answer says of a deployment, which some answers wrap in ``properties`` and others do not."""
    told = answer.body.get("properties")
    return told if isinstance(told, dict) else answer.body
