"""The least that speaks to storage: one keep-alive connection of http.client, signed with the account's key.

This is the floor that the worker's own client is compared with, and how the benchmark prepares its files. It knows
nothing of the worker.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

API_VERSION: Final = "2024-11-04"
TIMEOUT_SECONDS: Final = 120.0


class Answer(NamedTuple):
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Account(NamedTuple):
    """A storage account: its name, key, and the URLs of its services with the account in their path."""

    name: str
    key: str
    blob: str
    queue: str

    @classmethod
    def parse(cls, connection_string: str) -> Account:
        """Read a connection string with explicit endpoints."""
        fields = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        blob, queue = (fields[f"{service}Endpoint"].rstrip("/") for service in ("Blob", "Queue"))
        return cls(fields["AccountName"], fields["AccountKey"], blob, queue)

    @property
    def connection_string(self) -> str:
        """What any client needs."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.name};AccountKey={self.key};"
            f"BlobEndpoint={self.blob};QueueEndpoint={self.queue};"
        )


class Connection:
    """One connection to one service of an account."""

    def __init__(self, account: Account, url: str) -> None:
        parts = urlsplit(url)
        self._base = parts.path
        self._http = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
        self._key = base64.b64decode(account.key)
        self._name = account.name

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request below the service's URL and read the answer; the status is not judged."""
        query = query or {}
        target = f"{self._base}/{quote(path)}"
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": API_VERSION, **(headers or {})}
        if body or method in ("POST", "PUT"):
            sent["Content-Length"] = str(len(body))
        sent["Authorization"] = f"SharedKey {self._name}:{self._signature(method, target, query, sent)}"
        self._http.request(method, f"{target}?{urlencode(query)}" if query else target, body or None, sent)
        response = self._http.getresponse()
        content = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def must(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request that must succeed."""
        answer = self.call(method, path, query, headers, body)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}: {answer.body[:300]!r}")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _signature(self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        given = {name.lower(): value for name, value in headers.items()}
        length = given.get("content-length", "")
        standard = [
            given.get("content-encoding", ""),
            given.get("content-language", ""),
            "" if length == "0" else length,
            given.get("content-md5", ""),
            given.get("content-type", ""),
            given.get("date", ""),
            given.get("if-modified-since", ""),
            given.get("if-match", ""),
            given.get("if-none-match", ""),
            given.get("if-unmodified-since", ""),
            given.get("range", ""),
        ]
        own = [f"{name}:{given[name]}" for name in sorted(given) if name.startswith("x-ms-")]
        parameters = [f"{name}:{query[name]}" for name in sorted(query)]
        text = "\n".join([method, *standard, *own, f"/{self._name}{target}", *parameters])
        return base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()
