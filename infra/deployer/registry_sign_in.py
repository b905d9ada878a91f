"""The deployer's sign-in to a container registry: a token of Entra's, exchanged for one of the registry's own.

Nobody has to know or renew a password for it: who may push is who has the right in Azure, and the token ends by itself.
Sources: https://azure.github.io/acr/AAD-OAuth.html for the exchange, the user and both kinds of tokens,
https://github.com/Azure/acr/issues/798 for the three hours, and
https://github.com/opencontainers/distribution-spec/blob/main/spec.md for the upload that shows the right to push.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

from azure.core import PipelineClient
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

from infra.deployer.credentials import claims_of
from infra.deployer.resource_manager import PassingError, RefusedError, patiently

QUOTED_CHARACTERS: Final = 1000

# What a registry that is minutes old, or a role of the deployer's own that is, may answer at first.
PASSING_STATUS: Final = frozenset({401, 403, 429})

# Waits of 0.8, 1.6, … seconds, half a minute in all.
RETRIES: Final = 5

REMEDY: Final = (
    "Whoever deploys pushes as themselves, never as the registry's admin user. That takes Contributor, Owner or "
    "AcrPush on the registry or above it; where its role assignment permissions mode is 'RBAC Registry + ABAC "
    "Repository Permissions', it takes Container Registry Repository Writer. A registry with a firewall has to let "
    "this machine in. Mend that and run 'pulumi up' again."
)

Client = PipelineClient[HttpRequest, HttpResponse]
Result = TypeVar("Result")


class RegistryError(RuntimeError):
    """The registry refused, or does not have the image; the text holds its answer and never a token."""


class RegistrySignIn:
    """A registry as one principal.

    Args:
        client: sends the requests, and again where that helps.
        server: the registry's host, with a port where it is not 443.
        token: the principal's, of Entra, for the audience of registries.

    Attributes:
        refresh_token: the registry's own, which an engine takes as the password of a user that is all noughts; it ends
            after three hours.

    Raises:
        PassingError: the registry refuses the token, which may pass where the registry or a role is new.
        RegistryError: it answers something else.
    """

    def __init__(self, client: Client, server: str, token: str) -> None:
        self._access: dict[str, str] = {}
        self._client = client
        self.address = f"{scheme_of(server)}://{server}"
        self.server = server
        form = {"access_token": token, "grant_type": "access_token", "service": server}
        if tenant := claims_of(token).get("tid"):
            form["tenant"] = str(tenant)
        self.refresh_token = self._token("exchange", form, "refresh_token")

    def require_push(self, repository: str) -> None:
        """See that the principal may push to a repository, by an upload that is begun and given up.

        Raises:
            PassingError: it may not, or not yet.
            RegistryError: the registry answers something else.
        """
        url = f"{self.address}/v2/{repository}/blobs/uploads/"
        scope = f"repository:{repository}:pull,push"
        begun = self.send(HttpRequest("POST", url), scope)
        if begun.status_code != 202:
            raise _refusal(begun, f"push to {self.server}/{repository}")
        place = urljoin(url, begun.headers.get("Location", ""))
        if urlsplit(place).netloc == urlsplit(url).netloc:
            # What comes of it is nothing: an upload that stays open is dropped by the registry.
            self.send(HttpRequest("DELETE", place), scope)

    def send(self, request: HttpRequest, scope: str) -> HttpResponse:
        """Return the answer to a request that is sent with a right, such as ``repository:name:pull``.

        Raises:
            PassingError: the registry gives no token for that right.
            RegistryError: it answers something else.
        """
        if scope not in self._access:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": self.refresh_token,
                "scope": scope,
                "service": self.server,
            }
            self._access[scope] = self._token("token", form, "access_token")
        request.headers["Authorization"] = f"Bearer {self._access[scope]}"
        return self._client.send_request(request)

    def _token(self, operation: str, form: dict[str, str], key: str) -> str:
        response = self._client.send_request(HttpRequest("POST", f"{self.address}/oauth2/{operation}", data=form))
        if response.status_code != 200:
            raise _refusal(response, f"sign in to {self.server}", *form.values())
        try:
            answer = response.json()
        except ValueError:
            # Something else than a registry answers, such as a proxy that wants a sign-in of its own.
            answer = None
        token = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise RegistryError(f"{self.server} answered a sign-in without {key}. Is something else at that address?")
        return token


def new_client(server: str) -> Client:
    """Return what speaks to a registry, without a word of it in any log."""
    client: Client = PipelineClient(
        base_url=f"{scheme_of(server)}://{server}", policies=[RetryPolicy(retry_total=RETRIES)]
    )
    return client


def push_token(server: str, repository: str, token: str) -> str:
    """Return a registry's own token for a principal who may push to a repository.

    Args:
        server: the registry's host.
        repository: the path below it.
        token: the principal's, of Entra, for the audience of registries.

    Raises:
        RegistryError: the principal may not push, or the registry gives no answer; the text says what to do.
    """

    def attempt() -> str:
        # Rights are written into each token when it is made, so a later attempt begins with the first.
        with new_client(server) as client:
            sign_in = RegistrySignIn(client, server, token)
            sign_in.require_push(repository)
            return sign_in.refresh_token

    return granted(attempt, server)


def granted(call: Callable[[], Result], server: str) -> Result:
    """Return what a call returns, tried for a minute while a registry refuses what it may allow a moment later.

    Raises:
        RegistryError: it refuses for good, or gives no answer; the text says what to do.
    """
    try:
        return patiently(call)
    except RefusedError as error:
        raise RegistryError(f"{error}. {REMEDY}") from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise RegistryError(f"{server} gives no answer: {error}. {REMEDY}") from error


def scheme_of(server: str) -> str:
    """Return how a registry is spoken to: as an engine does, without TLS only on this machine.

    Source: https://docs.docker.com/reference/cli/dockerd/#insecure-registries
    """
    host = urlsplit(f"//{server}").hostname or ""
    try:
        return "http" if ipaddress.ip_address(host).is_loopback else "https"
    except ValueError:
        return "http" if host == "localhost" else "https"


def _refusal(response: HttpResponse, doing: str, *secrets: str) -> RuntimeError:
    said = response.text()[:QUOTED_CHARACTERS].strip()
    for secret in secrets:
        said = said.replace(secret, "…") if len(secret) > 40 else said
    text = f"The registry did not let the deployer {doing}: {response.status_code} {said or 'without a word'}"
    if response.status_code in PASSING_STATUS or response.status_code >= 500:
        return PassingError(text, status=response.status_code)
    return RegistryError(f"{text}.")
