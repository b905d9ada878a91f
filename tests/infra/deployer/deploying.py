"""A deployment to the stand-in of Azure, by a clock that nobody waits for."""

from __future__ import annotations

from typing import Any

from infra.deployer.credentials import HandedToken
from infra.deployer.package_deploy import Deployment, Patience
from infra.deployer.resource_manager import connected
from infra.settings.clouds import RESOURCE_MANAGER
from tests.infra.azure import ARTIFACTS, PACKAGE, SITE, Azure

PROPS: dict[str, Any] = {
    "app_id": SITE,
    "blob_url": PACKAGE,
    "functions": ["dispatch", "sweep"],
    "package_sha256": "0123",
    "resource_manager": RESOURCE_MANAGER,
    "storage_account_id": ARTIFACTS,
}
PUT = "extensions/onedeploy"
SYNC = "syncfunctiontriggers"


class Clock:
    """A clock that goes on where somebody sleeps, and a little at each look at it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        """Go on by some seconds, and keep how many."""
        self.slept.append(seconds)
        self.now += seconds


def deploy(azure: Azure, clock: Clock, poll: float = 5.0) -> None:
    """Deploy, with ``poll`` seconds by the clock between two looks."""
    patience = Patience(clock=clock, poll=poll, sleep=clock.sleep)
    with connected(HandedToken(azure.token), RESOURCE_MANAGER) as manager:
        Deployment(manager, PROPS, patience).run()


def deployed_before(azure: Azure, clock: Clock, **script: Any) -> None:
    """Deploy once, so that what follows is an update of a site that lists its functions already."""
    azure.script()
    deploy(azure, clock)
    azure.requests()
    azure.script(**script)
