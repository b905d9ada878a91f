"""What a question is given: Azure, the account, the engine, the clock, and what was deployed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError

from infra.acceptance.asking import NotAnswered
from infra.acceptance.azure import Azure, HttpAzure
from infra.acceptance.clock import Clock
from infra.acceptance.stage import Deployed
from infra.acceptance.storage import Account, open_account
from infra.deployer.credentials import CredentialError, provider_credential
from infra.operate.places import stack_place
from infra.settings.clouds import RESOURCE_MANAGER
from pipeline_app.rest.endpoint import Endpoint
from pipeline_app.rest.signing import SCOPE, Signed

STORAGE_VERSION: Final = "2023-05-01"

APP: Final = "azure-native:web:WebApp"
GROUP: Final = "azure-native:resources:ResourceGroup"
TOPIC: Final = "azure-native:eventgrid:SystemTopic"
WORKSPACE: Final = "azure-native:operationalinsights:Workspace"

Rest = Callable[[], tuple[Endpoint, Endpoint]]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A deployed stack and everything to ask about it with.

    Attributes:
        account: the application storage account, by its key.
        azure: Resource Manager and its siblings.
        clock: time, bounded.
        deployed: outputs and resources of the stack.
        drift: what a refresh would change.
        rest: opens the Blob and Queue services over the pipeline's own REST client, as whoever is signed in.
    """

    account: Account
    azure: Azure
    clock: Clock
    deployed: Deployed
    drift: Callable[[], list[str]]
    rest: Rest

    def account_key(self, account: str) -> str:
        """Return the first key of a storage account of the stack, by the account's name."""
        return _account_key(self.azure, f"{self.resource_group}/providers/Microsoft.Storage/storageAccounts/{account}")

    @property
    def location(self) -> str:
        """The region of the resource group."""
        return str(self.resource(GROUP)["outputs"]["location"])

    @property
    def resource_group(self) -> str:
        """The resource group's id."""
        return str(self.resource(GROUP)["id"])

    @property
    def subscription(self) -> str:
        """The subscription's id, as a path."""
        return "/".join(self.resource_group.split("/")[:3])

    def output(self, name: str) -> str:
        """Return an output of the stack.

        Raises:
            NotAnswered: it has none of that name.
        """
        value = self.deployed.outputs.get(name)
        if not value:
            raise NotAnswered(f"The stack has no output {name!r}.")
        return str(value)

    def resource(self, token: str, name: str | None = None) -> Mapping[str, Any]:
        """Return the first resource of a type as the engine exports it, with its ``id``, ``inputs`` and ``outputs``.

        Raises:
            NotAnswered: the stack has none, or none with that name in the program.
        """
        for each in self.resources(token):
            if name is None or each["urn"].rpartition("::")[2] == name:
                return each
        raise NotAnswered(f"The stack has no resource of the type {token}{f' called {name}' if name else ''}.")

    def resources(self, token: str) -> Sequence[Mapping[str, Any]]:
        """Return all resources of a type as the engine exports them."""
        return [each for each in self.deployed.resources if each["type"] == token]

    def claims(self) -> dict[str, Any]:
        """Return what the token of whoever is signed in says: ``oid`` is the principal's id."""
        payload = self.azure.token().split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims


class UserToken:
    """Signs requests with a token of whoever is signed in, where the pipeline signs with its identity's."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    def renew(self) -> bool:
        """There is nothing to forget: the credential renews its token by itself."""
        return False

    def sign(self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Signed:
        """Add the token."""
        return query, {**headers, "Authorization": f"Bearer {self._credential.get_token(SCOPE).token}"}


def check_sign_in(settings: Mapping[str, str]) -> None:
    """See that Resource Manager's tokens can be had as whom a configuration signs the deploy in.

    Raises:
        NotAnswered: nobody is signed in; the text says why.
    """
    try:
        _credential(settings).get_token(f"{RESOURCE_MANAGER}/.default")
    except (AzureError, CredentialError) as error:
        raise NotAnswered(f"Nobody is signed in who could ask Azure: {error}") from error


@contextmanager
def open_site(
    deployed: Deployed, stack: str, settings: Mapping[str, str], drift: Callable[[], list[str]]
) -> Iterator[Site]:
    """Connect to a deployed stack as whoever deployed it."""
    credential = _credential(settings)
    place = stack_place(deployed.outputs, stack)
    with HttpAzure(credential, RESOURCE_MANAGER) as azure:
        account_id = _account_id(deployed)
        suffix = urlsplit(place.blob_endpoint or "").netloc.partition(".blob.")[2]
        connection = (
            f"DefaultEndpointsProtocol=https;AccountName={account_id.rpartition('/')[2]};"
            f"AccountKey={_account_key(azure, account_id)};EndpointSuffix={suffix}"
        )

        def rest() -> tuple[Endpoint, Endpoint]:
            signer = UserToken(credential)
            return Endpoint(place.blob_endpoint or "", signer), Endpoint(place.queue_endpoint or "", signer)

        with open_account(connection, place.names, str(deployed.outputs.get("shareName") or "")) as account:
            yield Site(account=account, azure=azure, clock=Clock(), deployed=deployed, drift=drift, rest=rest)


def _account_id(deployed: Deployed) -> str:
    name = deployed.outputs.get("appStorageAccountName")
    for each in deployed.resources:
        if each["type"] == "azure-native:storage:StorageAccount" and str(each["id"]).rpartition("/")[2] == name:
            return str(each["id"])
    raise NotAnswered(f"The stack has no storage account called {name!r}.")


def _credential(settings: Mapping[str, str]) -> TokenCredential:
    return provider_credential(lambda key: settings.get(f"azure-native:{key}"))


def _account_key(azure: Azure, account_id: str) -> str:
    answer = azure.arm("POST", f"{account_id}/listKeys", STORAGE_VERSION)
    return str(answer.value(f"Listing the keys of {account_id.rpartition('/')[2]}")["keys"][0]["value"])
