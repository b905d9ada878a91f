"""Azure's own addresses on this machine, as the engine's tests play them, for tests without an engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.engine.standin import sites
from tests.engine.standin.cloud import Cloud
from tests.engine.standin.kinds import SUBSCRIPTION
from tests.engine.standin.proxy import Proxy
from tests.engine.standin.sign_in import Principal, token_of

GROUP: Final = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/group/providers"
ARTIFACTS: Final = f"{GROUP}/Microsoft.Storage/storageAccounts/artifacts"
DEPLOYER: Final = Principal("secret", "11111111-0000-0000-0000-000000000000")
FILES: Final = f"{GROUP}/Microsoft.Storage/storageAccounts/files"
PACKAGE: Final = "https://artifacts.blob.core.windows.net/function-packages/uploads/0123.zip"
SHARE: Final = f"{FILES}/fileServices/default/shares/share"
SITE: Final = f"{GROUP}/Microsoft.Web/sites/app"


@dataclass(frozen=True)
class Azure:
    """A cloud with a site, its package and a share, and the deployer's token for it."""

    cloud: Cloud
    proxy: Proxy

    @property
    def token(self) -> str:
        """A token of the principal that the provider signed in as."""
        return token_of(DEPLOYER, seconds=self.cloud.read()["token_seconds"])

    def requests(self, *operations: str) -> list[str]:
        """Return the operations on the site since the last time, or those of these names."""
        found = [operation for operation, subject in self.cloud.take_log() if subject == SITE]
        return [each for each in found if not operations or each in operations]

    def script(self, **script: Any) -> None:
        """Write what Azure does on the way; see :mod:`tests.engine.standin.sites`."""
        with self.cloud.open() as content:
            content["sites"].setdefault(SITE, sites.new_site())["script"] = script

    @property
    def site(self) -> dict[str, Any]:
        """The site as it is now."""
        return dict(self.cloud.read()["sites"][SITE])


def new_azure(proxy: Proxy, folder: Path) -> Azure:
    """Return a cloud of its own, for which the proxy answers from now on."""
    cloud = Cloud(folder / "cloud.json")
    with cloud.open() as content:
        content["principal"] = list(DEPLOYER)
        for resource_id, token, outputs in (
            (ARTIFACTS, "azure-native:storage:StorageAccount", {}),
            (FILES, "azure-native:storage:StorageAccount", {}),
            (SHARE, "azure-native:storage:FileShare", {}),
            (SITE, "azure-native:web:WebApp", {}),
            (f"{ARTIFACTS}/package", "azure-native:storage:Blob", {"url": PACKAGE}),
        ):
            name = resource_id.rpartition("/")[2]
            content["resources"][resource_id] = {"inputs": {}, "name": name, "outputs": outputs, "type": token}
    proxy.cloud = cloud
    return Azure(cloud, proxy)
