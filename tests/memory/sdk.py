"""Azure's own SDK over an account in memory: its clients and their requests are real, and no network is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from requests.adapters import BaseAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from tests.memory.account import Account
from tests.memory.requests import Asked

_URL: Final = "http://{}.memory"


class _Adapter(BaseAdapter):
    """Has requests carried out by one service of an account."""

    def __init__(self, account: Account, service: str) -> None:
        super().__init__()
        self._account = account
        self._service = service

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        url = urlsplit(request.url or "")
        reply = self._account.answer(
            Asked(
                body=_content(request.body),
                headers=tuple((name.lower(), _text(value)) for name, value in request.headers.items()),
                method=request.method or "",
                path=unquote(str(url.path).removeprefix("/")),
                query=tuple(parse_qsl(str(url.query), keep_blank_values=True)),
                service=self._service,
            )
        )
        response = requests.Response()
        response.status_code = reply.status
        response.url = request.url or ""
        response.request = request
        response.headers.update(dict(reply.headers))
        response.raw = HTTPResponse(
            io.BytesIO(reply.body),
            HTTPHeaderDict(reply.headers),
            reply.status,
            preload_content=False,
            request_method=request.method,
        )
        return response

    def close(self) -> None:
        """Close nothing, as nothing is open."""


def open_sdk(account: Account) -> tuple[BlobServiceClient, QueueServiceClient]:
    """Return the SDK's clients of an account; what is refused is tried again by nobody."""
    # The clients want a key, whose signatures nobody looks at here.
    common: dict[str, Any] = {"credential": {"account_key": "a2V5", "account_name": "memory"}, "retry_total": 0}
    return (
        BlobServiceClient(_URL.format("blob"), transport=_transport(account, "blob"), **common),
        QueueServiceClient(_URL.format("queue"), transport=_transport(account, "queue"), **common),
    )


def _transport(account: Account, service: str) -> RequestsTransport:
    session = requests.Session()
    session.mount(_URL.format(service), _Adapter(account, service))
    return RequestsTransport(session=session, session_owner=False)


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else bytes(body.read())


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
