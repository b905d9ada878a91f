"""The REST client over an account in memory: the requests of the program's own code, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import HTTPMessage
from typing import Final
from urllib.parse import unquote

from pipeline_app.rest.connections import PIECE_BYTES
from pipeline_app.rest.endpoint import Endpoint
from pipeline_app.rest.exchange import Answer, LocalFailure, Request, Sink
from tests.memory.requests import Asked, Reply

# What belongs to every request and says nothing about what it asks for.
_COMMON: Final = frozenset({"content-length", "content-type", "x-ms-client-request-id", "x-ms-date", "x-ms-version"})


class Unsigned:
    """An authorization that asks nobody."""

    def renew(self) -> bool:
        return False

    def sign(
        self, method: str, target: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return query, headers


class MemoryEndpoint(Endpoint):
    """One service of an account in memory; what the network or a body does wrong is as over HTTP.

    ``answer`` carries out its requests, as ``Account.answer`` does.
    """

    def __init__(
        self,
        answer: Callable[[Asked], Reply],
        service: str,
        retries: int = 0,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__("http://memory", Unsigned(), retries, pause)
        self._answer = answer
        self._service = service

    def _once(self, request: Request, sink: Sink | None) -> Answer:
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _COMMON}
        reply = self._answer(
            Asked(
                body=_content(request),
                headers=tuple(headers.items()),
                method=request.method,
                path=unquote(request.target.removeprefix("/")),
                query=tuple(request.query.items()),
                service=self._service,
            )
        )
        message = _message(reply.headers)
        if sink is None or reply.status >= 300:
            return Answer(body=reply.body, headers=message, status=reply.status)
        try:
            take = sink(message)
            for start in range(0, len(reply.body), PIECE_BYTES):
                take(memoryview(reply.body)[start : start + PIECE_BYTES])
        except OSError as error:
            raise LocalFailure(error) from error
        return Answer(headers=message, status=reply.status)


@lru_cache(maxsize=10_000)
def _message(headers: tuple[tuple[str, str], ...]) -> HTTPMessage:
    # Nobody changes what came, and the same answers come again and again.
    message = HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message


def _content(request: Request) -> bytes:
    if isinstance(request.body, bytes):
        return request.body
    try:
        pieces = []
        with request.body() as content:
            while piece := content.read(PIECE_BYTES):
                pieces.append(piece)
        return b"".join(pieces)
    except OSError as error:
        raise LocalFailure(error) from error
