"""The API of a container registry, as far as a tag of an image that is there needs it.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from azure.core.credentials import TokenCredential
from azure.core.rest import HttpRequest, HttpResponse

from infra.deployer.registry_sign_in import RegistryError, RegistrySignIn, granted, new_client
from infra.deployer.resource_manager import PassingError, connected, patiently
from infra.settings.clouds import REGISTRY_AUDIENCE, RESOURCE_MANAGER

DIGEST_HEADER: Final = "Docker-Content-Digest"

# An engine may push an image as it is or an index of images, in the form of Docker or of OCI.
MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
)

REGISTRY_VERSION: Final = "2023-07-01"


class Repository:
    """One repository of a registry.

    Args:
        sign_in: to the registry.
        name: the repository's path.
    """

    def __init__(self, sign_in: RegistrySignIn, name: str) -> None:
        self._name = name
        self._sign_in = sign_in

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
        return f"{self._sign_in.server}/{self._name}{'@' if ':' in reference else ':'}{reference}"

    def _send(self, method: str, reference: str, body: bytes | None = None, kind: str | None = None) -> HttpResponse:
        url = f"{self._sign_in.address}/v2/{self._name}/manifests/{reference}"
        headers = {"Accept": ", ".join(MANIFESTS)} | ({"Content-Type": kind} if kind else {})
        scope = f"repository:{self._name}:{'pull,push' if method == 'PUT' else 'pull'}"
        request = HttpRequest(method, url, content=body, headers=headers)
        # The token for that right is asked for with the first request that takes it.
        return granted(lambda: self._sign_in.send(request, scope), self._sign_in.server)


@contextmanager
def deployers_repository(
    credential: TokenCredential,
    registry_credential: TokenCredential,
    *,
    login_server: str,
    name: str,
    registry_id: str,
) -> Iterator[Repository | None]:
    """Give a repository of an Azure Container Registry as the deployer, or None where there is no such registry.

    Args:
        credential: the deployer's for Azure Resource Manager, which knows whether the registry is there.
        registry_credential: the deployer's for registries.
        login_server: the registry's host.
        name: the repository's path.
        registry_id: the registry's ARM id.

    Raises:
        RefusedError: Azure Resource Manager refused.
        RegistryError: the registry refused, or gives no answer.
    """
    if not _is_there(credential, registry_id):
        yield None
        return
    with new_client(login_server) as client:
        token = registry_credential.get_token(f"{REGISTRY_AUDIENCE}/.default").token
        yield Repository(granted(lambda: RegistrySignIn(client, login_server, token), login_server), name)


def _is_there(credential: TokenCredential, registry_id: str) -> bool:
    with connected(credential, RESOURCE_MANAGER) as manager:
        try:
            patiently(lambda: manager.send("GET", f"{registry_id}?api-version={REGISTRY_VERSION}"))
        except PassingError as error:
            if error.status == 404:
                return False
            raise
    return True


def _require(response: HttpResponse, statuses: set[int], doing: str) -> None:
    if response.status_code not in statuses:
        raise RegistryError(f"While {doing}: {response.status_code} {response.text()[:1000]}".rstrip())
