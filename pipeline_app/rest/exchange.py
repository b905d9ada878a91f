"""One request and its answer on one connection, of which never more than a piece is in memory."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Protocol, Self

from pipeline_app.rest.connections import PIECE_BYTES

# A connection broke off, as far as either side can tell; an answer that never began is among these.
BROKEN: Final = (ConnectionError, ssl.SSLError)

# A blob has up to 8 KiB of metadata, each in a header of its own, while http.client takes a hundred headers for an
# attack. It has no setting but this.
# Source: https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources
MAX_HEADERS: Final = 10_000
http.client._MAXHEADERS = MAX_HEADERS  # type: ignore[attr-defined]


class UnreadableAnswer(Exception):
    """What came is whole, but no HTTP that can be read, and would be the same at the next try."""


class LocalFailure(Exception):
    """Carries an error of this machine's disk past what catches those of the network."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with a status below 300; ``body`` is empty where the body went to a sink."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes = b""

    def age_seconds(self) -> float:
        """Return how long ago the blob was changed, as the service saw it: no clock of ours has to be right."""
        asked, changed = (parsedate_to_datetime(self.headers[header]) for header in ("Date", "Last-Modified"))
        return (asked - changed).total_seconds()

    def metadata(self) -> dict[str, str]:
        """Return the blob's metadata by their names in lower case, since HTTP does not keep their case."""
        prefix = "x-ms-meta-"
        return {
            name[len(prefix) :].lower(): value
            for name, value in self.headers.items()
            if name[: len(prefix)].lower() == prefix
        }


class Body(Protocol):
    """The body of a request, read piece by piece."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *raised: object) -> None:
        """Close it."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most so many, and none at its end."""


class Sink(Protocol):
    """Takes the body of an answer in pieces, anew for each try."""

    def __call__(self, headers: http.client.HTTPMessage) -> Callable[[memoryview], None]:
        """Return what takes the pieces of an answer with these headers."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it is tried: ``target`` is the encoded path, and ``body`` bytes or what opens a file."""

    method: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | Callable[[], Body]

    def __str__(self) -> str:
        # The query may hold a signature, which no log may show.
        return f"{self.method} {self.target}"


def exchange(
    connection: http.client.HTTPConnection, request: Request, url: str, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    """Send a request and return the answer, of which the headers were read.

    Raises:
        HTTPException: what came is no answer.
        LocalFailure: the body cannot be read.
        OSError: the connection broke off.
        UnreadableAnswer: what came cannot be read, now or later.
    """
    try:
        return _exchange(connection, request, url, headers)
    except (http.client.LineTooLong, http.client.UnknownProtocol) as error:
        raise UnreadableAnswer(f"{type(error).__name__}: {error}") from error
    except http.client.HTTPException as error:
        # Too many headers have no class of their own, unlike all else that http.client raises.
        if type(error) is http.client.HTTPException:
            raise UnreadableAnswer(str(error)) from error
        raise


def _exchange(
    connection: http.client.HTTPConnection, request: Request, url: str, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    try:
        if isinstance(request.body, bytes):
            connection.request(request.method, url, request.body, headers)
        else:
            with _local():
                content = request.body()
            with content:
                connection.request(request.method, url, _Content(content), headers)
    except BROKEN:
        # A service that refuses a request may answer before it has read the whole body, and close the connection.
        try:
            response = connection.getresponse()
        except (OSError, http.client.HTTPException):
            response = None
        if response is None or response.status < 300:
            raise
        # Part of the body is still on its way, so no other request may follow.
        response.will_close = True
        return response
    return connection.getresponse()


@dataclass(frozen=True)
class _Content:
    """A body that is read piece by piece, so that failing to read it is told from failing to send it."""

    file: Body

    def read(self, size: int = PIECE_BYTES, /) -> bytes:
        with _local():
            return self.file.read(size)


@contextmanager
def _local() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalFailure(error) from error


def read_answer(response: http.client.HTTPResponse, sink: Sink | None) -> Answer:
    """Read the answer to its end; a body goes to the sink if the request succeeded.

    Raises:
        HTTPException: the answer broke off.
        LocalFailure: the sink cannot take it.
        OSError: the connection broke off.
    """
    if response.length is None and not response.chunked:
        # Nothing would tell the end of such an answer from a connection that broke off.
        raise http.client.HTTPException("the answer does not say how long it is")
    if sink is None or response.status >= 300:
        return Answer(body=response.read(), headers=response.headers, status=response.status)
    with _local():
        take = sink(response.headers)
    left = response.length or 0
    piece = memoryview(bytearray(min(PIECE_BYTES, left) if left else PIECE_BYTES))
    while count := response.readinto(piece):
        with _local():
            take(piece[:count])
        left -= count
    if left > 0:
        raise http.client.IncompleteRead(b"", left)
    return Answer(headers=response.headers, status=response.status)
