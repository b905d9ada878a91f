"""Hands a package to a Flex Consumption app through Azure Resource Manager, and waits until it runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from azure.core import PipelineClient
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from infra.credentials import deployer_credential

KEYS_VERSION: Final = "2023-05-01"
SITES_VERSION: Final = "2024-04-01"

POLL_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 900.0
SAS_MINUTES: Final = 30

# A role that was assigned a moment ago answers like a missing one, and a site made a moment ago like an absent one.
PASSING_STATUS: Final = frozenset({400, 403, 404, 408, 409, 429})

# The states of a deployment: pending, building and deploying; cancelled, failed and in conflict with another one.
FAILED_STATUS: Final = frozenset({-1, 3, 5})
UNFINISHED_STATUS: Final = frozenset({0, 1, 2})


class DeployError(RuntimeError):
    """The code was not deployed; the text holds Azure's answer."""


class PassingDeployError(DeployError):
    """The code was not deployed for a reason that may pass by itself, such as a role that is not in force yet."""


def deploy(props: dict[str, Any]) -> None:
    """Hand the package to the app as the deployer, and wait until it is deployed.

    Raises:
        DeployError: Azure refused for good, or for longer than a role takes to come into force.
    """
    host = props["resource_manager"]
    policy = ARMChallengeAuthenticationPolicy(deployer_credential(), f"{host}/.default")
    client: ARMPipelineClient[HttpRequest, HttpResponse] = ARMPipelineClient(base_url=host, policies=[policy])
    with client:
        deploy_through(client, props)


def deploy_through(
    client: PipelineClient[HttpRequest, HttpResponse],
    props: dict[str, Any],
    *,
    poll_seconds: float = POLL_SECONDS,
    retry_seconds: float = RETRY_SECONDS,
) -> None:
    """Hand the package to the app through a client of Azure Resource Manager; see :func:`deploy`."""
    for attempt in Retrying(
        reraise=True,
        retry=retry_if_exception_type((PassingDeployError, ServiceRequestError, ServiceResponseError)),
        stop=stop_after_delay(retry_seconds),
        wait=wait_exponential(multiplier=poll_seconds, max=60),
    ):
        with attempt:
            _deploy_once(client, props, poll_seconds, retry_seconds)


def signed_url(blob_url: str, account_key: str, now: datetime) -> str:
    """Return the blob's address with a signature that reads it for half an hour and does nothing else."""
    parts = urlsplit(blob_url)
    container, blob = unquote(parts.path).lstrip("/").split("/", 1)
    signature = generate_blob_sas(
        account_key=account_key,
        account_name=parts.netloc.split(".", 1)[0],
        blob_name=blob,
        container_name=container,
        expiry=now + timedelta(minutes=SAS_MINUTES),
        permission=BlobSasPermissions(read=True),
        protocol="https",
        # The clocks of two services differ by a little.
        start=now - timedelta(minutes=5),
    )
    return f"{blob_url}?{signature}"


def _deploy_once(
    client: PipelineClient[HttpRequest, HttpResponse],
    props: dict[str, Any],
    poll_seconds: float,
    wait_seconds: float,
) -> None:
    host, app_id = props["resource_manager"], props["app_id"]
    keys = _send(client, "POST", f"{host}{props['storage_account_id']}/listKeys?api-version={KEYS_VERSION}")
    package = signed_url(props["blob_url"], keys["keys"][0]["value"], datetime.now(UTC))
    answer = _send(
        client,
        "PUT",
        f"{host}{app_id}/extensions/onedeploy?api-version={SITES_VERSION}",
        {"properties": {"packageUri": package, "remoteBuild": False}},
    )
    deadline = time.monotonic() + wait_seconds
    while (status := _properties(answer).get("status")) in UNFINISHED_STATUS:
        if time.monotonic() > deadline:
            raise PassingDeployError(
                f"The deployment to {app_id} still has the status {status} after {wait_seconds} s."
            )
        time.sleep(poll_seconds)
        deployment = _properties(answer).get("id", "latest")
        answer = _send(client, "GET", f"{host}{app_id}/deployments/{deployment}?api-version={SITES_VERSION}")
    if status in FAILED_STATUS:
        # The platform copies the package with the app's identity, whose role may not be in force yet.
        raise PassingDeployError(
            f"The deployment to {app_id} ended with the status {status}: "
            f"{_properties(answer).get('status_text') or _properties(answer).get('message') or 'no reason given'}."
        )


def _properties(answer: dict[str, Any]) -> dict[str, Any]:
    properties = answer.get("properties")
    return properties if isinstance(properties, dict) else answer


def _send(
    client: PipelineClient[HttpRequest, HttpResponse], method: str, url: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    response = client.send_request(HttpRequest(method, url, json=body))
    if response.status_code < 400:
        value = response.json() if response.content else {}
        return value if isinstance(value, dict) else {}
    # The address of a package is signed, so neither the request nor its body is quoted.
    text = f"{method} {url} answered {response.status_code}: {response.text()[:1000]}"
    passing = response.status_code in PASSING_STATUS or response.status_code >= 500
    raise PassingDeployError(text) if passing else DeployError(text)
