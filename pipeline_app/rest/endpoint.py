"""HTTP to the storage services over ``http.client``, with retries of what may pass by itself.

Source: https://learn.microsoft.com/rest/api/storageservices/
"""

from __future__ import annotations

import http.client
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from pipeline_app.contract import StorageConnection
from pipeline_app.contract.log_lines import Retried, tell
from pipeline_app.rest.clock import ServiceClock
from pipeline_app.rest.connections import Connections
from pipeline_app.rest.exchange import (
    BROKEN,
    Answer,
    Body,
    LocalFailure,
    Request,
    Sink,
    UnreadableAnswer,
    exchange,
    read_answer,
)
from pipeline_app.rest.signing import Authorization, services

API_VERSION: Final = "2024-11-04"

# The waits between tries are 2, 4, 8, 16 and 32 seconds, each a second more or less, so that workers that were
# throttled together do not come back together; or what Retry-After says, if that is more.
RETRIES: Final = 5
MAX_RETRY_AFTER_SECONDS: Final = 120.0
RETRIED_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})

_log = logging.getLogger(__name__)


class StorageError(Exception):
    """The service refused a request: its HTTP status, its own code such as ``BlobNotFound``, and its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{f'HTTP {status} ' if status else ''}{code}: {message}".strip())
        self.status = status
        self.code = code

    @property
    def is_missing_blob(self) -> bool:
        """Whether there is no such blob, in a container that is there."""
        return self.status == 404 and self.code != "ContainerNotFound"


class StorageUnreadable(StorageError):
    """The service, or what stands before it, gives an answer that cannot be read, and would give it again."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "UnreadableAnswer", message)


class StorageUnreachable(Exception):
    """No answer could be had from the service."""


class Endpoint:
    """One service of an account, such as ``http://127.0.0.1:10000/account``; safe to use from several threads.

    What may pass by itself is tried again up to ``retries`` times; ``pause`` waits for seconds before each.

    Raises:
        ContractError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        authorization: Authorization,
        retries: int = RETRIES,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self._authorization = authorization
        self._pause = pause
        self._retries = retries
        self._clock = ServiceClock()
        self._connections = Connections(url)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], Body] = b"",
        *,
        length: int | None = None,
        sink: Sink | None = None,
    ) -> Answer:
        """Make a request, again if need be, and return its answer.

        Args:
            method: the HTTP method.
            path: container, queue or blob below the endpoint, neither encoded nor with a slash in front.
            query: parameters, not encoded.
            headers: headers besides those of every request.
            body: the content, or what opens a file-like object with it for each try.
            length: bytes of a body that is opened.
            sink: takes the answer's body.

        Raises:
            OSError: the body cannot be read, or the sink cannot take the answer's.
            StorageError: the service refused it.
            StorageUnreachable: no try got an answer.
            ValueError: the service would take the path for another one.
        """
        request = Request(
            body=body,
            headers={
                "Content-Length": str(len(body) if isinstance(body, bytes) else length),
                "x-ms-client-request-id": uuid.uuid4().hex,
                "x-ms-version": API_VERSION,
                **(headers or {}),
            },
            method=method,
            query=query or {},
            target=f"{self._connections.path}/{_encoded(path)}",
        )
        for tried in range(self._retries + 1):
            try:
                answer = self._once(request, sink)
                if answer.status == 401 and self._authorization.renew():
                    answer = self._once(request, sink)
            except LocalFailure as failure:
                raise failure.error from None
            except UnreadableAnswer as error:
                raise StorageUnreadable(f"{request} at {self._connections.host}: {error}") from error
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
                if tried == self._retries:
                    raise StorageUnreachable(f"{request} at {self._connections.host}: {problem}") from error
                wait = _wait(tried, None)
            else:
                if answer.status < 300:
                    return answer
                if answer.status not in RETRIED_STATUS or tried == self._retries:
                    raise _error(answer)
                problem = f"HTTP {answer.status}"
                wait = _wait(tried, answer.headers.get("Retry-After"))
            tell(_log, Retried(again_in=wait, problem=problem, request=str(request)))
            (self._pause or time.sleep)(wait)
        raise AssertionError("The loop returns or raises.")

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._connections.close()

    def _once(self, request: Request, sink: Sink | None) -> Answer:
        corrected = fresh = False
        while True:
            dated = {**request.headers, "x-ms-date": self._clock.date()}
            query, headers = self._authorization.sign(request.method, request.target, request.query, dated)
            url = f"{request.target}?{urlencode(query, quote_via=quote)}" if query else request.target
            connection, used_before = self._connections.take(fresh=fresh)
            try:
                try:
                    response = exchange(connection, request, url, headers)
                except BROKEN:
                    # The service closes connections that were idle for long, and tells only who uses them. That is no
                    # failed try, but a new connection has no such excuse.
                    if not used_before:
                        raise
                    connection.close()
                    fresh = True
                    continue
                answer = read_answer(response, sink)
            except BaseException:
                connection.close()
                raise
            if response.will_close:
                connection.close()
            else:
                self._connections.give_back(connection)
            if answer.status == 403 and not corrected:
                corrected = self._clock.correct(dated["x-ms-date"], answer.headers.get("Date"))
                if corrected:
                    continue
            return answer


def open_account(
    connection: StorageConnection, retries: int = RETRIES, pause: Callable[[float], None] | None = None
) -> tuple[Endpoint, Endpoint]:
    """Return an account's Blob and Queue services, with a connection string or as the user-assigned identity.

    Raises:
        ContractError: the connection string is not complete.
    """
    blob_url, queue_url, authorization = services(connection)
    return Endpoint(blob_url, authorization, retries, pause), Endpoint(queue_url, authorization, retries, pause)


def _encoded(path: str) -> str:
    """Return a path as it stands in a URL.

    Raises:
        ValueError: it has a part ``.`` or ``..`` or one that ends in a dot, or a backslash.
    """
    # The service resolves the first, however they are encoded, cuts the dots off the second, and takes the last for a
    # slash: the request would reach another blob. Sources: https://github.com/Azure/azure-sdk-for-rust/issues/5275,
    # https://github.com/Azure/azure-sdk-for-java/issues/36674
    if "\\" in path or any(part.endswith(".") for part in path.split("/")):
        raise ValueError(
            f"The blob name {path!r} has a backslash or a part that ends in a dot, which stand for another name in "
            "Azure. Rename the file."
        )
    return quote(path, safe="~/")


def _error(answer: Answer) -> StorageError:
    code = answer.headers.get("x-ms-error-code", "")
    message = ""
    try:
        record = ElementTree.fromstring(answer.body) if answer.body else None  # noqa: S314 -- the account's own service.
    except ElementTree.ParseError:
        message = answer.body[:200].decode("utf-8", "replace")
    else:
        if record is not None:
            code = code or record.findtext("Code", "")
            message = record.findtext("Message", "").partition("\n")[0]
    if answer.status < 400:
        message = f"The service is elsewhere: {answer.headers.get('Location')!r}. Set the endpoint to where it is."
    return StorageError(answer.status, code, message)


def _wait(tried: int, retry_after: str | None) -> float:
    """Return seconds to wait after so many retries."""
    wait = float(2 << tried) + random.uniform(-1, 1)  # noqa: S311 -- spreading load needs no cryptography.
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        wait = max(wait, min(float(retry_after), MAX_RETRY_AFTER_SECONDS))
    return wait
