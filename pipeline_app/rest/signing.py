"""How requests to the storage services are authorised: an identity's token, the account's key, or a signature.

Source: https://learn.microsoft.com/rest/api/storageservices/authorize-requests-to-azure-storage
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote

from pipeline_app.contract import ContractError, StorageConnection

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.identity import ManagedIdentityCredential

SCOPE: Final = "https://storage.azure.com/.default"
# A token is renewed so long before it ends that no request outlives it.
TOKEN_MARGIN_SECONDS: Final = 300.0

# While the identity's endpoint is ill, each question takes it up to a minute, so it is not asked with every request.
# Source: `azure/identity/_credentials/imds.py` in azure-identity, which tries five times by itself.
ASK_AGAIN_SECONDS: Final = 30.0

_SIGNED_HEADERS: Final = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)

Signed = tuple[Mapping[str, str], Mapping[str, str]]


class Authorization(Protocol):
    """Authorises requests."""

    def sign(self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Signed:
        """Return query and headers with what authorises them; ``target`` is the encoded path as it is sent."""

    def renew(self) -> bool:
        """Forget a token that the service does not know (any more); False where there is nothing to renew."""


class TokenUnavailable(OSError):
    """The identity's endpoint gives no token, as it may in the first seconds of a container."""


class SharedKey:
    """Signs with the account's key."""

    def __init__(self, account: str, key: str) -> None:
        try:
            self._key = base64.b64decode(key, validate=True)
        except binascii.Error as error:
            raise ContractError(
                "The AccountKey of APP_STORAGE_CONNECTION is not base64. Take it from the access keys page."
            ) from error
        self._account = account

    def renew(self) -> bool:
        return False

    def sign(self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Signed:
        standard = [headers.get(name, "") for name in _SIGNED_HEADERS]
        # Since version 2015-02-21 an empty body signs as no length at all.
        standard[2] = "" if standard[2] == "0" else standard[2]
        # The service sorts an underscore before letters and digits, unlike ASCII. Our own metadata have no two
        # names that differ in this.
        own = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
        parameters = sorted((name.lower(), value) for name, value in query.items())
        text = "\n".join(
            [
                method,
                *standard,
                *(f"{name}:{value}" for name, value in own),
                f"/{self._account}{target}",
                *(f"{name}:{value}" for name, value in parameters),
            ]
        )
        signature = base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()
        return query, {**headers, "Authorization": f"SharedKey {self._account}:{signature}"}


class SharedAccessSignature:
    """Adds a signature that somebody with the key has made."""

    def __init__(self, signature: str) -> None:
        pairs = (part.partition("=") for part in signature.lstrip("?").split("&") if part)
        # A plus sign is one of base64 here, and not a space as it would be in a form.
        self._parameters = {name: unquote(value) for name, _, value in pairs}

    def renew(self) -> bool:
        return False

    def sign(self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Signed:
        return {**query, **self._parameters}, headers


class IdentityToken:
    """Adds a token of the user-assigned identity, which both services of the account share."""

    def __init__(self, client_id: str) -> None:
        self._asking = threading.Lock()
        self._client_id = client_id
        self._credential: ManagedIdentityCredential | None = None
        self._failed: tuple[float, str] | None = None
        self._token: AccessToken | None = None

    def renew(self) -> bool:
        with self._asking:
            # The credential has a cache of its own, so it has to be forgotten with the token.
            self._credential = self._token = self._failed = None
        return True

    def sign(self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Signed:
        return query, {**headers, "Authorization": f"Bearer {self._present()}"}

    def _present(self) -> str:
        """Return a token that is good, a new one if it is time and one can be had."""
        token = self._token
        if token is not None and time.time() <= token.expires_on - TOKEN_MARGIN_SECONDS:
            return token.token
        # It is good for some minutes more, and then so may be the endpoint: only one asks, and nobody waits for it.
        old = token is not None and time.time() < token.expires_on
        if self._asking.acquire(blocking=not old):
            try:
                # Whoever had to wait here finds what the other one was given.
                if self._token is token:
                    self._ask()
            except TokenUnavailable:
                if not old:
                    raise
            finally:
                self._asking.release()
        token = self._token or token
        if token is None:
            raise TokenUnavailable("the token has just been forgotten")
        return token.token

    def _ask(self) -> None:
        # Importing the identity library costs more than the rest of the worker's start, and a local run has none.
        from azure.core.exceptions import AzureError
        from azure.identity import ManagedIdentityCredential

        if self._failed is not None and time.monotonic() < self._failed[0] + ASK_AGAIN_SECONDS:
            raise TokenUnavailable(self._failed[1])
        try:
            if self._credential is None:
                self._credential = ManagedIdentityCredential(client_id=self._client_id)
            self._token = self._credential.get_token(SCOPE)
            self._failed = None
        except AzureError as error:
            problem = f"no token can be had for the user-assigned identity: {error.message}"
            self._failed = (time.monotonic(), problem)
            raise TokenUnavailable(problem) from error


def connection_fields(connection_string: str) -> dict[str, str]:
    """Return the values of a connection string by their names in lower case."""
    pairs = (part.partition("=") for part in connection_string.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def services(connection: StorageConnection) -> tuple[str, str, Authorization]:
    """Return the URLs of the Blob and Queue services and how requests to them are authorised.

    Raises:
        ContractError: the connection string lacks something; the text says what.
    """
    if connection.connection_string is None:
        return (
            str(connection.blob_service_uri),
            str(connection.queue_service_uri),
            IdentityToken(str(connection.client_id)),
        )
    fields = connection_fields(connection.connection_string)
    authorization: Authorization
    account = fields.get("accountname", "")
    if signature := fields.get("sharedaccesssignature"):
        authorization = SharedAccessSignature(signature)
    elif account and fields.get("accountkey"):
        authorization = SharedKey(account, fields["accountkey"])
    else:
        raise ContractError(
            "APP_STORAGE_CONNECTION has neither AccountName and AccountKey nor SharedAccessSignature. Take the whole "
            "connection string from the account's access keys page."
        )
    urls = [fields.get(f"{service}endpoint") or _endpoint(fields, account, service) for service in ("blob", "queue")]
    return urls[0], urls[1], authorization


def _endpoint(fields: Mapping[str, str], account: str, service: str) -> str:
    if not account:
        raise ContractError(
            f"APP_STORAGE_CONNECTION has neither {service.capitalize()}Endpoint nor AccountName. Take the whole "
            "connection string from the account's access keys page."
        )
    protocol = fields.get("defaultendpointsprotocol", "https")
    return f"{protocol}://{account}.{service}.{fields.get('endpointsuffix', 'core.windows.net')}"
