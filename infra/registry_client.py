"""The API of a container registry, as far as a tag of an image that is there needs it, and its sign-in.

Sources: https://github.com/opencontainers/distribution-spec/blob/main/spec.md for manifests and tags,
https://distribution.github.io/distribution/spec/auth/token/ for the sign-in by token, and
https://azure.github.io/acr/Token-BasicAuth.html for Azure Container Registry, which does the same.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

from infra.clouds import RESOURCE_MANAGER
from infra.resource_manager import PassingError, connected, patiently

CREDENTIALS_VERSION: Final = "2023-07-01"
DIGEST_HEADER: Final = "Docker-Content-Digest"

# An engine may push an image as it is or an index of images, in the form of Docker or of OCI.
MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
)

# Waits of 0.8, 1.6, … seconds, half a minute in all.
RETRIES: Final = 5

Client = PipelineClient[HttpRequest, HttpResponse]


class RegistryError(RuntimeError):
    """The registry refused, or does not have the image; the text holds its answer and never a password."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """A user of a registry."""

    password: str = field(repr=False)
    username: str


class Repository:
    """One repository of a registry.

    Args:
        client: sends the requests, and again where that helps.
        server: the registry's host, with a port where it is not 443.
        name: the repository's path.
        login: whom to sign in as.
    """

    def __init__(self, client: Client, server: str, name: str, login: Login) -> None:
        self._client = client
        self._login = login
        self._name = name
        self._server = server

    def digest(self, reference: str) -> str | None:
        """Return the digest that a tag points to (or the digest itself), or None where it is not there.

        Raises:
            RegistryError: the registry refused.
        """
        response = self._send("HEAD", reference)
        if response.status_code == 404:
            return None
        _require(response, {200}, f"reading {self._address(reference)}")
        return str(response.headers.get(DIGEST_HEADER, "")) or None

    def tag(self, digest: str, tags: Sequence[str]) -> None:
        """Point tags to an image that is in the repository; those that do so already are put once more.

        Raises:
            RegistryError: the registry does not have the image, gives other bytes than its digest says, or refused.
        """
        manifest = self._send("GET", digest)
        if manifest.status_code == 404:
            raise RegistryError(
                f"{self._address(digest)} is not in the registry, though it was pushed; somebody deleted it. Push it "
                "again: 'pulumi up --replace' with the URN of the image ('pulumi stack --show-urns')."
            )
        _require(manifest, {200}, f"reading {self._address(digest)}")
        if f"sha256:{hashlib.sha256(manifest.content).hexdigest()}" != digest:
            raise RegistryError(f"The registry's answer for {self._address(digest)} has another digest.")
        for tag in tags:
            response = self._send("PUT", tag, manifest.content, manifest.headers["Content-Type"])
            _require(response, {200, 201}, f"tagging {self._address(tag)}")
            answered = response.headers.get(DIGEST_HEADER, digest)
            if answered != digest:
                raise RegistryError(f"The registry gave {self._address(tag)} the digest {answered}, not {digest}.")

    def _address(self, reference: str) -> str:
        return f"{self._server}/{self._name}{'@' if ':' in reference else ':'}{reference}"

    def _send(self, method: str, reference: str, body: bytes | None = None, kind: str | None = None) -> HttpResponse:
        url = f"{_scheme(self._server)}://{self._server}/v2/{self._name}/manifests/{reference}"
        headers = {"Accept": ", ".join(MANIFESTS)} | ({"Content-Type": kind} if kind else {})
        response = self._client.send_request(HttpRequest(method, url, content=body, headers=headers))
        if response.status_code != 401:
            return response
        # The registry says how it wants to be asked, and for which right.
        headers["Authorization"] = self._authorization(response.headers.get("WWW-Authenticate", ""))
        return self._client.send_request(HttpRequest(method, url, content=body, headers=headers))

    def _authorization(self, challenge: str) -> str:
        kind, _, rest = challenge.partition(" ")
        pair = f"{self._login.username}:{self._login.password}"
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if kind.lower() == "basic":
            return basic
        values = parse_keqv_list(parse_http_list(rest)) if kind.lower() == "bearer" else {}
        realm = values.get("realm", "")
        place = urlsplit(realm)
        if place.scheme != "https" and _scheme(place.netloc) != place.scheme:
            raise RegistryError(f"{self._server} asks for a sign-in that is not known here: {challenge!r}.")
        query: dict[str, str] = {key: values[key] for key in ("scope", "service") if key in values}
        request = HttpRequest("GET", realm, headers={"Authorization": basic}, params=query)
        response = self._client.send_request(request)
        _require(response, {200}, f"signing in to {self._server} as {self._login.username}")
        answer = response.json()
        token = answer.get("access_token") or answer.get("token")
        if not token:
            raise RegistryError(f"The sign-in to {self._server} gave no token.")
        return f"Bearer {token}"


@contextmanager
def admin_repository(
    credential: TokenCredential, *, login_server: str, name: str, registry_id: str
) -> Iterator[Repository | None]:
    """Give a repository of an Azure Container Registry as its admin user, or None where there is no such registry.

    The deployer asks Azure Resource Manager for the credentials each time, so they are stored nowhere.

    Raises:
        RefusedError: Azure Resource Manager refused.
    """
    login = _admin_login(credential, registry_id)
    if login is None:
        yield None
        return
    client: Client = PipelineClient(base_url=f"https://{login_server}", policies=[RetryPolicy(retry_total=RETRIES)])
    with client:
        yield Repository(client, login_server, name, login)


def _admin_login(credential: TokenCredential, registry_id: str) -> Login | None:
    with connected(credential, RESOURCE_MANAGER) as manager:
        target = f"{registry_id}/listCredentials?api-version={CREDENTIALS_VERSION}"
        try:
            answer = patiently(lambda: manager.send("POST", target).body)
        except PassingError as error:
            if error.status == 404:
                return None
            raise
    return Login(password=answer["passwords"][0]["value"], username=answer["username"])


def _require(response: HttpResponse, statuses: set[int], doing: str) -> None:
    if response.status_code not in statuses:
        raise RegistryError(f"While {doing}: {response.status_code} {response.text()[:1000]}".rstrip())


def _scheme(server: str) -> str:
    """Return how a registry is spoken to: as an engine does, without TLS only on this machine.

    Source: https://docs.docker.com/reference/cli/dockerd/#insecure-registries
    """
    host = urlsplit(f"//{server}").hostname or ""
    try:
        return "http" if ipaddress.ip_address(host).is_loopback else "https"
    except ValueError:
        return "http" if host == "localhost" else "https"
