"""Requests to a storage account that are sent as they are, and what is answered."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate
from time import time
from urllib.parse import quote, urlencode, urlsplit

from infra.local.services.azurite import StorageAccount
from pipeline_app.rest.endpoint import API_VERSION
from pipeline_app.rest.signing import SharedKey


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request: the path below the account as it stands in the URL.

    A header of None is left out, and one of a timedelta is the date that long from when the request is sent.
    """

    method: str = "PUT"
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | timedelta | None] = field(default_factory=dict)
    body: bytes = b""
    service: str = "blob"


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer, with the error code of its header."""

    status: int
    code: str
    body: bytes


class Raw:
    """Sends requests as they are, signed with the account's key."""

    def __init__(self, account: StorageAccount) -> None:
        self.account = account
        self._key = SharedKey(account.name, account.key)

    def send(self, call: Call, *, signed: bool = True) -> Said:
        """Make a request and return its answer."""
        url = urlsplit(self.account.endpoint(call.service))
        target = f"{url.path}{call.path}"
        defaults: dict[str, str | timedelta | None] = {
            "Content-Length": str(len(call.body)),
            "x-ms-date": timedelta(),
            "x-ms-version": API_VERSION,
        }
        headers = {
            name: formatdate(time() + value.total_seconds(), usegmt=True) if isinstance(value, timedelta) else value
            for name, value in {**defaults, **call.headers}.items()
            if value is not None
        }
        if signed:
            headers = dict(self._key.sign(call.method, target, call.query, headers)[1])
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
        try:
            connection.putrequest(call.method, f"{target}?{urlencode(call.query, quote_via=quote)}")
            for name, value in headers.items():
                connection.putheader(name, value.encode("latin-1"))
            # A body that is only announced is never sent: the answer comes before it.
            connection.endheaders(call.body or None)
            response = connection.getresponse()
            return Said(body=response.read(), code=response.getheader("x-ms-error-code") or "", status=response.status)
        finally:
            connection.close()


PUT = {"x-ms-blob-type": "BlockBlob"}


def put(path: str, headers: Mapping[str, str | timedelta | None] | None = None, body: bytes = b"x") -> Call:
    """Put a blob, by its name as it stands in the URL."""
    return Call(path=f"files/{path}", headers={**PUT, **(headers or {})}, body=body)


def meta(**values: str) -> Call:
    """Put a blob with metadata."""
    return put("meta", {f"x-ms-meta-{name}": value for name, value in values.items()})


def block(path: str, block_id: str) -> Call:
    """Put a block of a blob."""
    return Call(path=f"files/{path}", query={"blockid": block_id, "comp": "block"}, body=b"x")


def listing(**query: str) -> Call:
    """List the container."""
    return Call(method="GET", path="files", query={"comp": "list", "restype": "container", **query})


def message(text: str, **query: str) -> Call:
    """Put a message on the queue, with its text as it stands in the XML."""
    body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
    return Call(method="POST", path="jobs/messages", query=query, body=body, service="queue")


def encoded(number: int, size: int = 8) -> str:
    """Return a block id that has so many bytes before it is encoded."""
    return base64.b64encode(f"{number:0{size}d}".encode()).decode()
