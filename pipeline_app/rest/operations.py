"""The operations that the worker and the function share: listings, and messages of queues."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree

from pipeline_app.contract import NEVER_EXPIRES, plain_etag
from pipeline_app.rest.endpoint import Endpoint, StorageUnreachable
from pipeline_app.rest.exchange import Answer

XML: Final = {"Content-Type": "application/xml"}


@dataclass(frozen=True, kw_only=True)
class ListedBlob:
    """A blob as a listing shows it: ``etag`` without quotes, ``modified`` with a time zone, ``size`` in bytes."""

    etag: str
    metadata: Mapping[str, str]
    modified: datetime
    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class ListedPage:
    """A page of a listing, and the marker of the one that comes next; empty after the last."""

    blobs: Sequence[ListedBlob]
    marker: str


def list_page(
    endpoint: Endpoint, container: str, prefix: str, *, marker: str = "", metadata: bool = False, most: int = 5000
) -> ListedPage:
    """List the blobs whose names begin with ``prefix``, in the order of their names, from where ``marker`` says.

    Raises:
        StorageError: the service refused it, with status 400 where it does not know the marker.
        StorageUnreachable: no answer could be had.
    """
    query = {"comp": "list", "maxresults": str(most), "prefix": prefix, "restype": "container"}
    if marker:
        query["marker"] = marker
    if metadata:
        query["include"] = "metadata"
    return read_page(endpoint.call("GET", container, query))


def read_page(answer: Answer) -> ListedPage:
    """Return the page of a listing that an answer has; raises StorageUnreachable where it has none."""
    record = parsed(answer)
    return ListedPage(
        blobs=[_listed(blob) for blob in record.iterfind("Blobs/Blob")], marker=record.findtext("NextMarker", "")
    )


def message_body(content: str) -> bytes:
    """Return the body that gives a message its content."""
    # A reader of XML takes a carriage return for a line feed, unless it is written so.
    text = html.escape(content, quote=False).replace("\r", "&#13;")
    return f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()


def message_count(endpoint: Endpoint, queue: str) -> tuple[int, datetime]:
    """Count the messages of a queue, those in progress among them; return that, and when the service was asked."""
    headers = endpoint.call("GET", queue, {"comp": "metadata"}).headers
    return int(headers["x-ms-approximate-messages-count"]), parsedate_to_datetime(headers["Date"])


def put_message(endpoint: Endpoint, queue: str, content: str, delay_seconds: int = 0) -> None:
    """Put a message on a queue, visible after a delay; it never expires, where one would be after 7 days by default."""
    query = {"messagettl": str(NEVER_EXPIRES)} | ({"visibilitytimeout": str(delay_seconds)} if delay_seconds else {})
    endpoint.call("POST", f"{queue}/messages", query, XML, message_body(content))


def parsed(answer: Answer) -> ElementTree.Element:
    """Return the document of an answer.

    Raises:
        StorageUnreachable: it is none; something else has answered, such as the login page of a network.
    """
    try:
        return ElementTree.fromstring(answer.body)  # noqa: S314 -- the account's own service.
    except ElementTree.ParseError as error:
        raise StorageUnreachable(f"the answer is no XML ({error}): {answer.body[:80]!r}") from error


def _listed(blob: ElementTree.Element) -> ListedBlob:
    metadata, name = blob.find("Metadata"), blob.find("Name")
    text = "" if name is None else name.text or ""
    return ListedBlob(
        etag=plain_etag(blob.findtext("Properties/Etag", "")),
        metadata={} if metadata is None else {each.tag.lower(): each.text or "" for each in metadata},
        modified=parsedate_to_datetime(blob.findtext("Properties/Last-Modified", "")),
        # A name with characters that XML cannot carry comes as it would stand in a URL.
        name=unquote(text) if name is not None and name.get("Encoded") == "true" else text,
        size=int(blob.findtext("Properties/Content-Length", "0")),
    )
