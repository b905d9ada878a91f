"""The deployer's sign-in for calls that no provider makes: the same principal that the azure-native provider uses.

While a resource is created or updated, the provider itself hands over a token of its own, so that nothing here has to
guess how it signed in. A deletion or a refresh runs without the program, so that there is nobody to hand a token
over, and a token may run out while a deployment waits. Then the provider's own settings are read as it reads them.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.core.credentials import AccessToken

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AUDIENCE: Final = "api://AzureADTokenExchange"
REQUEST_SECONDS: Final = 30

# Azure CLI and the provider hand out a token from their cache as long as it lives for five more minutes; one that does
# not say when it ends is taken to live for that long.
LEAST_SECONDS: Final = 300
SPARE_SECONDS: Final = 60


class CredentialError(RuntimeError):
    """The settings ask for a sign-in that they do not fully describe; the text names what is missing."""


class HandedToken:
    """A credential that is a token of somebody else's, valid for what it was asked for."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, int(claims_of(token).get("exp", time.time() + LEAST_SECONDS)))

    @property
    def principal(self) -> tuple[str, str] | None:
        """Who the token is for, as (tenant, object id), or None where it does not say."""
        return principal_of(self._token.token)

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """Return the token."""
        return self._token


class DeployerSignIn:
    """The deployer's credential for one audience: the token that the provider handed over while it lives, else a new
    sign-in as it.
    """

    def __init__(self, sign_in: Callable[[], TokenCredential]) -> None:
        self._credential: TokenCredential | None = None
        self._handed: HandedToken | None = None
        self._sign_in = sign_in

    def hand_over(self, token: str) -> None:
        """Take the provider's token for the audience; a later one replaces it."""
        self._handed = HandedToken(token)

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for the audience, which ``scopes`` names.

        Raises:
            CredentialError: the handed token has run out, and the settings sign in as somebody else.
            azure.core.exceptions.ClientAuthenticationError: the sign-in was refused.
        """
        handed = self._handed
        if handed is not None and handed.get_token().expires_on - time.time() > SPARE_SECONDS:
            return handed.get_token()
        if self._credential is None:
            self._credential = self._sign_in()
        token = self._credential.get_token(*scopes, **options)
        before, now = (handed.principal if handed else None), principal_of(token.token)
        if before is not None and now is not None and before != now:
            raise CredentialError(
                f"The provider signed in as {before[1]} of the tenant {before[0]}. Its token has run out, and the "
                f"settings now sign in as {now[1]} of the tenant {now[0]}. Run pulumi up again: it goes on from here."
            )
        return token


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, unchecked, or nothing where it cannot be read."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))) if len(parts) == 3 else {}
    except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def principal_of(token: str) -> tuple[str, str] | None:
    """Return who a token is for, as (tenant, object id), or None where it does not say."""
    claims = claims_of(token)
    return (str(claims["tid"]), str(claims["oid"])) if {"oid", "tid"} <= claims.keys() else None


def provider_credential(
    config: Callable[[str], str | None], environment: Mapping[str, str] = os.environ
) -> TokenCredential:
    """Return the credential that the provider's settings describe.

    What is set in the stack's configuration wins over the variable of the same meaning, and of several sign-ins the
    first of this order is taken: default credential, certificate, secret, OIDC, managed identity, Azure CLI.
    Source: ``readAuthConfig`` and ``newSingleMethodAuthCredential`` in pulumi-azure-native's ``auth_azidentity.go``.

    Args:
        config: returns the stack's value of a key of the provider, such as ``clientId``.
        environment: of this process.

    Raises:
        CredentialError: a sign-in is asked for, but what belongs to it is not set.
    """
    # Most runs of the program sign in nowhere, and the library costs each a tenth of a second.
    import azure.identity as identity

    def setting(key: str, *variables: str) -> str:
        value = config(key)
        if value is not None:
            return value
        return next((environment[name] for name in variables if environment.get(name)), "")

    def required(because: str, **values: str) -> None:
        if missing := [key for key, value in values.items() if not value]:
            names = ", ".join(f"azure-native:{_camel(key)} (or ARM_{key.upper()})" for key in missing)
            raise CredentialError(f"{because} is set, but {names} is not. Set it, or unset {because}.")

    client_id = setting("clientId", "ARM_CLIENT_ID")
    tenant_id = setting("tenantId", "ARM_TENANT_ID")
    tenants = json.loads(setting("auxiliaryTenantIds", "ARM_AUXILIARY_TENANT_IDS") or "[]")
    no_discovery = setting("disableInstanceDiscovery", "ARM_DISABLE_INSTANCE_DISCOVERY") == "true"
    principal = {"additionally_allowed_tenants": tenants, "disable_instance_discovery": no_discovery}

    if setting("useDefaultAzureCredential", "ARM_USE_DEFAULT_AZURE_CREDENTIAL") == "true":
        # The provider's chain, in Go, knows none of these.
        return identity.DefaultAzureCredential(
            additionally_allowed_tenants=tenants,
            exclude_broker_credential=True,
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
        )
    if path := setting("clientCertificatePath", "ARM_CLIENT_CERTIFICATE_PATH"):
        required("azure-native:clientCertificatePath", client_id=client_id, tenant_id=tenant_id)
        password = setting("clientCertificatePassword", "ARM_CLIENT_CERTIFICATE_PASSWORD") or None
        return identity.CertificateCredential(tenant_id, client_id, path, password=password, **principal)
    if secret := setting("clientSecret", "ARM_CLIENT_SECRET"):
        required("azure-native:clientSecret", client_id=client_id, tenant_id=tenant_id)
        return identity.ClientSecretCredential(tenant_id, client_id, secret, **principal)
    if setting("useOidc", "ARM_USE_OIDC") == "true":
        required("azure-native:useOidc", client_id=client_id, tenant_id=tenant_id)
        return identity.ClientAssertionCredential(tenant_id, client_id, _assertion(setting))
    if setting("useMsi", "ARM_USE_MSI") == "true":
        return identity.ManagedIdentityCredential(client_id=client_id or None)
    subscription = setting("subscriptionId", "ARM_SUBSCRIPTION_ID") or None
    return identity.AzureCliCredential(
        additionally_allowed_tenants=tenants, subscription=subscription, tenant_id=tenant_id
    )


def request_assertion(url: str, bearer: str, audience: str = AUDIENCE) -> str:
    """Ask GitHub Actions for a fresh identity token; one lives for minutes, so it is asked for at each sign-in.

    Raises:
        CredentialError: the URL is not HTTPS, or the answer holds no token.
    """
    if not url.startswith("https://"):
        raise CredentialError(f"The URL to request an identity token at is {url!r}; it must begin with https://.")
    separator = "&" if urllib.parse.urlsplit(url).query else "?"
    request = urllib.request.Request(  # noqa: S310
        f"{url}{separator}{urllib.parse.urlencode({'audience': audience})}",
        headers={"Accept": "application/json", "Authorization": f"Bearer {bearer}"},
    )
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:  # noqa: S310
        answer = json.load(response)
    token = answer.get("value") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise CredentialError("GitHub's answer holds no identity token. Give the job the permission id-token: write.")
    return token


def _assertion(setting: Callable[..., str]) -> Callable[[], str]:
    """Return what gives the identity token, from the first source that is set: the token, a file, a request."""
    if token := setting("oidcToken", "ARM_OIDC_TOKEN"):
        return lambda: token
    if path := setting("oidcTokenFilePath", "ARM_OIDC_TOKEN_FILE_PATH"):
        # Whoever keeps the file renews it.
        return lambda: Path(path).read_text(encoding="utf-8")
    url = setting("oidcRequestUrl", "ARM_OIDC_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_URL")
    bearer = setting("oidcRequestToken", "ARM_OIDC_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    audience = setting("oidcAudience", "ARM_OIDC_AUDIENCE") or AUDIENCE
    if not url or not bearer:
        raise CredentialError(
            "azure-native:useOidc is set, but there is no identity token: set ARM_OIDC_TOKEN, "
            "ARM_OIDC_TOKEN_FILE_PATH, or ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN "
            "(the latter two are set in a job with the permission id-token: write)."
        )
    return lambda: request_assertion(url, bearer, audience)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
