"""The signature of a request to Storage by the account's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

# What of a request is signed, besides its verb and the x-ms- headers. Source:
# https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
SIGNED: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def is_signed(
    key: str, account: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> bool:
    """Tell whether a request is signed with a key of the account."""
    signature = _signature(key, account, method, path, query, headers)
    return headers.get("authorization") == f"SharedKey {account}:{signature}"


def _signature(
    key: str, account: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    # A length of zero is signed as nothing.
    values = ["" if (name, headers.get(name)) == ("content-length", "0") else headers.get(name, "") for name in SIGNED]
    lines = [method, *values]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers) if name.startswith("x-ms-")]
    lines += [f"/{account}{path}", *(f"{name}:{query[name]}" for name in sorted(query))]
    digest = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
