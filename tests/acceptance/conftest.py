"""A site over the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from infra.acceptance.site import Site
from infra.acceptance.stage import Deployed
from pipeline_app.rest.endpoint import Endpoint
from tests.acceptance import standin
from tests.acceptance.standin import StandinAzure, StandinClock
from tests.acceptance.standin_account import StandinAccount

DIGEST = f"sha256:{'a' * 64}"


def deployed() -> Deployed:
    """Return what a deploy leaves, as far as questions look at it."""

    def resource(token: str, name: str, resource_id: str, **outputs: str) -> dict[str, Any]:
        return {
            "id": resource_id,
            "outputs": outputs,
            "type": token,
            "urn": f"urn:pulumi:throwaway::p::{token}::{name}",
        }

    def log_alert(name: str, query: str) -> dict[str, Any]:
        inputs = {"criteria": {"allOf": [{"query": query}]}}
        return resource("azure-native:monitor:ScheduledQueryRule", name, f"/alerts/{name}") | {"inputs": inputs}

    def metric_alert(name: str, metric: str) -> dict[str, Any]:
        inputs = {"criteria": {"allOf": [{"metricName": metric}]}, "scopes": [standin.TOPIC]}
        return resource("azure-native:monitor:MetricAlert", name, f"/alerts/{name}") | {"inputs": inputs}

    return Deployed(
        outputs={
            "appStorageAccountName": "files1",
            "imageReference": f"{standin.SERVER}/app/csvreport_v1@{DIGEST}",
            "registryLoginServer": standin.SERVER,
            "shareName": "share",
        },
        resources=[
            log_alert("alerts-backlog", 'AppTraces | where Message startswith_cs "Backlog: AppleTree"'),
            log_alert("alerts-failed-files", "union AppExceptions, ContainerInstanceLog_CL, ContainerEvent_CL"),
            metric_alert("alerts-dead-lettered-events", "DeadLetteredCount"),
            metric_alert("alerts-dropped-events", "DroppedEventCount"),
            resource("azure-native:resources:ResourceGroup", "rg", standin.RESOURCE_GROUP, location="westeurope"),
            resource("azure-native:eventgrid:SystemTopic", "uploads", standin.TOPIC),
            resource(
                "azure-native:managedidentity:UserAssignedIdentity",
                "function-identity",
                f"{standin.WORKER_IDENTITY}-no",
            ),
            resource(
                "azure-native:managedidentity:UserAssignedIdentity",
                "worker-identity",
                standin.WORKER_IDENTITY,
                clientId="client-of-worker",
            ),
            resource("azure-native:operationalinsights:Workspace", "logs", "/logs", customerId="customer-1"),
            resource(
                "azure-native:storage:Blob",
                "function-package",
                "/blob",
                url="https://artifacts1.blob.core.windows.net/function-packages/uploads/a.zip",
            ),
            resource("azure-native:web:WebApp", "function", standin.APP),
        ],
    )


@dataclass
class Play:
    """The stand-in's parts, for a test to set switches of, and the site over them."""

    account: StandinAccount
    azure: StandinAzure
    clock: StandinClock
    drift: list[str]
    site: Site


def no_rest() -> tuple[Endpoint, Endpoint]:
    """Refuse: a test that needs the REST client brings one."""
    raise AssertionError("The REST client is not played.")


@pytest.fixture
def play() -> Play:
    """A stand-in in which everything is as expected."""
    return make_play(no_rest)


def make_play(rest: Callable[[], tuple[Endpoint, Endpoint]]) -> Play:
    """Return a new stand-in."""
    clock = StandinClock()
    account = StandinAccount(clock=clock)
    azure = StandinAzure(clock, account)
    drift: list[str] = []
    site = Site(account=account, azure=azure, clock=clock, deployed=deployed(), drift=lambda: drift, rest=rest)
    return Play(account=account, azure=azure, clock=clock, drift=drift, site=site)
