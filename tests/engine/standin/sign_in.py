"""Who the provider signs in as, and the tokens of the directory: one of a principal, for an audience, for a while."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from tests.engine.standin.kinds import TENANT
from tests.engine.standin.names import MARKER, stable_uuid

ARM_AUDIENCE: Final = "https://management.azure.com"
LIFETIME: Final = 3600


class Principal(NamedTuple):
    """Who is signed in, and by what: the same application by another credential counts as somebody else here."""

    method: str
    client: str


def provider_principal(config: Mapping[str, str], environment: Mapping[str, str]) -> Principal:
    """Return whom the provider signs in as, by the first method of its order that is set.

    Source: ``readAuthConfig`` and ``newSingleMethodAuthCredential`` in pulumi-azure-native's ``auth_azidentity.go``.
    """

    def get(key: str, variable: str) -> str:
        return config[key] if key in config else environment.get(variable, "")

    client = get("clientId", "ARM_CLIENT_ID")
    if get("useDefaultAzureCredential", "ARM_USE_DEFAULT_AZURE_CREDENTIAL") == "true":
        return Principal("default", environment.get("AZURE_CLIENT_ID", ""))
    if get("clientCertificatePath", "ARM_CLIENT_CERTIFICATE_PATH"):
        return Principal("certificate", client)
    if get("clientSecret", "ARM_CLIENT_SECRET"):
        return Principal("secret", client)
    if get("useOidc", "ARM_USE_OIDC") == "true":
        return Principal("oidc", client)
    if get("useMsi", "ARM_USE_MSI") == "true":
        return Principal("msi", client)
    return Principal("cli", "the user of az login")


def token_of(principal: Principal, audience: str = ARM_AUDIENCE, seconds: float = LIFETIME) -> str:
    """Return a token, which says in its claims what real ones do, and is marked as a secret."""
    claims = {
        "amr": principal.method,
        "appid": principal.client,
        "aud": audience.rstrip("/"),
        "exp": int(time.time() + seconds),
        "oid": stable_uuid(f"{principal.method} {principal.client}"),
        "tid": TENANT,
    }
    return ".".join([_encoded({"alg": "none", "typ": "JWT"}), _encoded(claims), MARKER])


def holder(authorization: str, audience: str = ARM_AUDIENCE) -> Principal | str:
    """Return who sends a header, or why Azure would not take it."""
    parts = authorization.removeprefix("Bearer ").split(".")
    if not authorization.startswith("Bearer ") or len(parts) != 3 or parts[2] != MARKER:
        return "InvalidAuthenticationToken"
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    if claims["exp"] <= time.time():
        return "ExpiredAuthenticationToken"
    if claims["aud"] != audience:
        return "InvalidAuthenticationTokenAudience"
    return Principal(claims["amr"], claims["appid"])


def sign_in(body: bytes) -> str:
    """Return the token that the directory gives for a sign-in of an application."""
    form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
    method = "secret"
    if "client_assertion" in form:
        # A certificate's assertion is made by the application itself, another one by whoever federates.
        payload = form["client_assertion"].split(".")[1:2]
        issuer = json.loads(base64.urlsafe_b64decode(payload[0] + "=="))["iss"] if payload else ""
        method = "certificate" if issuer == form["client_id"] else "oidc"
    return token_of(Principal(method, form["client_id"]), form["scope"].partition("/.default")[0])


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
