"""The deployer's credential for calls that no provider makes: the same sign-in that the azure-native provider uses."""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AUDIENCE = "api://AzureADTokenExchange"
REQUEST_SECONDS = 30


class CredentialError(RuntimeError):
    """The environment asks for a sign-in that it does not fully describe; the text names what is missing."""


def deployer_credential(environment: Mapping[str, str] = os.environ) -> TokenCredential:
    """Return the credential that the ``ARM_*`` variables describe, else that of the machine (``az login`` and such).

    Raises:
        CredentialError: ``ARM_USE_OIDC`` or ``ARM_CLIENT_SECRET`` is set but what belongs to it is not.
    """
    # Most runs of the program sign in nowhere, and the library costs each a tenth of a second.
    from azure.identity import ClientAssertionCredential, ClientSecretCredential, DefaultAzureCredential

    if environment.get("ARM_USE_OIDC", "").lower() in ("1", "true"):
        tenant_id, client_id = _required(environment, "ARM_USE_OIDC", "ARM_TENANT_ID", "ARM_CLIENT_ID")
        if token := environment.get("ARM_OIDC_TOKEN"):
            return ClientAssertionCredential(tenant_id, client_id, lambda: token)
        url, bearer = _required(
            environment, "ARM_USE_OIDC", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
        )
        return ClientAssertionCredential(tenant_id, client_id, lambda: github_assertion(url, bearer))
    if secret := environment.get("ARM_CLIENT_SECRET"):
        tenant_id, client_id = _required(environment, "ARM_CLIENT_SECRET", "ARM_TENANT_ID", "ARM_CLIENT_ID")
        return ClientSecretCredential(tenant_id, client_id, secret)
    return DefaultAzureCredential(exclude_interactive_browser_credential=True)


def github_assertion(url: str, bearer: str) -> str:
    """Ask GitHub Actions for a fresh identity token; one lives for minutes, so it is asked for at each sign-in.

    Raises:
        CredentialError: the URL is not HTTPS, or the answer holds no token.
    """
    if not url.startswith("https://"):
        raise CredentialError(f"ACTIONS_ID_TOKEN_REQUEST_URL is {url!r}; it must begin with https://.")
    separator = "&" if urllib.parse.urlsplit(url).query else "?"
    request = urllib.request.Request(  # noqa: S310
        f"{url}{separator}{urllib.parse.urlencode({'audience': AUDIENCE})}",
        headers={"Authorization": f"Bearer {bearer}"},
    )
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:  # noqa: S310
        answer = json.load(response)
    token = answer.get("value") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise CredentialError("GitHub's answer holds no identity token. Give the job the permission id-token: write.")
    return token


def _required(environment: Mapping[str, str], because: str, *names: str) -> tuple[str, ...]:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise CredentialError(f"{because} is set, but {', '.join(missing)} is not. Set it, or unset {because}.")
    return tuple(environment[name] for name in names)
