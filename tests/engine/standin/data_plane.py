"""The Blob and Queue services of the simulated accounts, as far as a deploy that is verified uses them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.engine.standin import pipeline
from tests.engine.standin.cloud import Cloud
from tests.engine.standin.names import account_key
from tests.engine.standin.replies import Answer, storage_error, storage_headers
from tests.engine.standin.shared_key import is_signed

MOMENT: Final = "Sat, 31 Jan 2026 12:00:00 GMT"
XML: Final = '<?xml version="1.0" encoding="utf-8"?>'


def answer_data(
    cloud: Cloud, account: str, service: str, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request to an account's ``blob`` or ``queue`` endpoint, which only its present key may make."""
    fault = cloud.fault("verification-canary") if service == "blob" and method == "PUT" else None
    if fault == "before":
        return storage_error(403, "AuthenticationFailed")
    answer = _answer(cloud, account, service, method, target, headers, body)
    return answer if fault is None else storage_error(403, "AuthenticationFailed")


def _answer(
    cloud: Cloud, account: str, service: str, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    parts = urlsplit(target)
    query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    with cloud.open() as content:
        if not is_signed(account_key(content, account), account, method, parts.path, query, headers):
            return storage_error(403, "AuthenticationFailed")
        place, _, name = unquote(parts.path).strip("/").partition("/")
        kind = "blobServices/default/containers" if service == "blob" else "queueServices/default/queues"
        if not any(each.endswith(f"/storageAccounts/{account}/{kind}/{place}") for each in content["resources"]):
            return storage_error(404, "ContainerNotFound" if service == "blob" else "QueueNotFound")
        if service == "queue":
            return _queue(content, f"{account}/{place}", method, query)
        if query.get("comp") == "list":
            return _list(content, f"{account}/{place}/", query.get("prefix", ""))
        return _blob(content, account, place, name, method, headers, body)


def _blob(
    content: dict[str, Any],
    account: str,
    container: str,
    name: str,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    key = f"{account}/{container}/{name}"
    if method == "PUT":
        if headers.get("if-none-match") == "*" and key in content["blobs"]:
            return storage_error(409, "BlobAlreadyExists")
        content["log"].append(["upload", key])
        etag = pipeline.upload(content, account, container, name, body)
        return Answer(201, headers=storage_headers() | {"ETag": f'"{etag}"'})
    blob = content["blobs"].get(key)
    if blob is None:
        return storage_error(404, "BlobNotFound")
    if method == "DELETE":
        del content["blobs"][key]
        return Answer(202, headers=storage_headers())
    data = base64.b64decode(blob["body"])
    told = storage_headers() | {"ETag": f'"{blob["etag"]}"', "Last-Modified": MOMENT, "x-ms-blob-type": "BlockBlob"}
    told |= {f"x-ms-meta-{each}": value for each, value in blob["metadata"].items()}
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("x-ms-range", ""))
    if method == "HEAD" or match is None:
        return Answer(200, data, told)
    part = data[int(match[1]) : int(match[2]) + 1]
    return Answer(206, part, told | {"Content-Range": f"bytes {match[1]}-{int(match[1]) + len(part) - 1}/{len(data)}"})


def _list(content: dict[str, Any], start: str, prefix: str) -> Answer:
    found = ""
    for key, blob in sorted(content["blobs"].items()):
        if key.startswith(f"{start}{prefix}"):
            length = len(base64.b64decode(blob["body"]))
            found += (
                f"<Blob><Name>{escape(key.removeprefix(start))}</Name><Properties><Last-Modified>{MOMENT}"
                f"</Last-Modified><Etag>{blob['etag']}</Etag><Content-Length>{length}</Content-Length>"
                "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            )
    text = f"{XML}<EnumerationResults><Blobs>{found}</Blobs><NextMarker /></EnumerationResults>"
    return Answer(200, text.encode(), storage_headers() | {"Content-Type": "application/xml"})


def _queue(content: dict[str, Any], queue: str, method: str, query: Mapping[str, str]) -> Answer:
    messages = content["queues"].get(queue, [])
    if method != "GET":
        return storage_error(405, "UnsupportedHttpVerb")
    if query.get("comp") == "metadata":
        return Answer(200, headers=storage_headers() | {"x-ms-approximate-messages-count": str(len(messages))})
    found = "".join(
        f"<QueueMessage><MessageId>{number}</MessageId><InsertionTime>{MOMENT}</InsertionTime>"
        f"<ExpirationTime>{MOMENT}</ExpirationTime><DequeueCount>0</DequeueCount>"
        f"<MessageText>{escape(each['text'])}</MessageText></QueueMessage>"
        for number, each in enumerate(messages)
        if each["visible"]
    )
    text = f"{XML}<QueueMessagesList>{found}</QueueMessagesList>"
    return Answer(200, text.encode(), storage_headers() | {"Content-Type": "application/xml"})
