"""The same requests for two accounts, one in memory and one of Azurite, and what is compared of their answers.

What each service makes up by itself, ETags, ids and receipts, is called by when it came: so answers can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from pipeline_app.contract import plain_etag
from pipeline_app.rest.endpoint import Endpoint, StorageError

CONTAINER: Final = "{container}"
QUEUE: Final = "{queue}"
# What a request says of an ETag or a message that the service made up: the newest one of a blob, or one before.
_SYMBOL: Final = re.compile(r"<(etag|id|receipt) ([^ >]+) (-?\d+)>")
_COMPARED: Final = (
    "content-length",
    "content-range",
    "x-ms-access-tier",
    "x-ms-access-tier-inferred",
    "x-ms-approximate-messages-count",
    "x-ms-blob-type",
    "x-ms-copy-status",
    "x-ms-lease-duration",
    "x-ms-lease-state",
    "x-ms-lease-status",
    "x-ms-tag-count",
)


class Step(NamedTuple):
    """A request; ``<etag NAME N>`` in a header stands for the N-th ETag of a blob, and -1 for its newest."""

    service: str
    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Said(NamedTuple):
    """What is compared: the status, the code of a refusal, and facts of headers and body by their names."""

    status: int
    code: str
    facts: tuple[tuple[str, object], ...] = ()


class Side:
    """One account, a container and a queue in it, and what it made up so far."""

    def __init__(self, blobs: Endpoint, queues: Endpoint, container: str, queue: str) -> None:
        self._endpoints = {"blob": blobs, "queue": queues}
        self._made: dict[tuple[str, str], list[str]] = {}
        self._places = {CONTAINER: container, QUEUE: queue}

    def make(self) -> None:
        """Make the container and the queue."""
        self._endpoints["blob"].call("PUT", self._places[CONTAINER], {"restype": "container"})
        self._endpoints["queue"].call("PUT", self._places[QUEUE])

    def play(self, steps: Sequence[Step]) -> list[Said]:
        """Make requests one after the other."""
        return [self.send(step) for step in steps]

    def send(self, step: Step) -> Said:
        """Make a request."""
        try:
            answer = self._endpoints[step.service].call(
                step.method,
                self._real(step.path),
                {name: self._real(value) for name, value in step.query.items()},
                {name: self._real(value) for name, value in step.headers.items()},
                step.body,
            )
        except StorageError as error:
            return Said(error.status, error.code)
        if answer.status == 206 and not answer.body:
            # Azure refuses a range that begins behind the end, where Azurite answers with nothing.
            return Said(416, "InvalidRange")
        facts: dict[str, object] = {
            name: answer.headers[name] for name in _COMPARED if name in answer.headers and self._counts(step, name)
        }
        if step.service == "blob":
            facts |= {"metadata": answer.metadata()} if answer.metadata() else {}
            if "ETag" in answer.headers and step.path != CONTAINER:
                facts["etag"] = self._symbol("etag", step.path, plain_etag(answer.headers["ETag"]))
        elif "x-ms-popreceipt" in answer.headers:
            self._symbol("receipt", _message(step), answer.headers["x-ms-popreceipt"])
        if answer.body and step.method == "GET" and not step.query.get("comp"):
            facts |= self._messages(answer.body) if step.service == "queue" else {"body": answer.body}
        elif answer.body and step.query.get("comp") == "list":
            facts["blobs"] = self._listed(answer.body)
        elif step.method == "POST":
            self._messages(answer.body)
        return Said(answer.status, "", tuple(sorted(facts.items())))

    @staticmethod
    def _counts(step: Step, header: str) -> bool:
        # How long an XML document is, or an answer without a body, is no fact of a blob.
        return header != "content-length" or (
            step.service == "blob" and step.method in ("GET", "HEAD") and not step.query
        )

    def _listed(self, body: bytes) -> tuple[tuple[object, ...], ...]:
        document = ElementTree.fromstring(body)  # noqa: S314 -- of these tests.
        return tuple(
            (
                name := each.findtext("Name", ""),
                self._symbol("etag", f"{CONTAINER}/{name}", plain_etag(each.findtext("Properties/Etag", ""))),
                each.findtext("Properties/Content-Length"),
                each.findtext("Properties/LeaseStatus"),
                each.findtext("Properties/LeaseState"),
                tuple(sorted((meta.tag.lower(), meta.text) for meta in each.iterfind("Metadata/*"))),
            )
            for each in document.iterfind("Blobs/Blob")
        )

    def _messages(self, body: bytes) -> dict[str, object]:
        found = []
        for each in ElementTree.fromstring(body).iterfind("QueueMessage"):  # noqa: S314 -- of these tests.
            name = self._symbol("id", "all", each.findtext("MessageId", ""))
            if receipt := each.findtext("PopReceipt"):
                self._symbol("receipt", name, receipt)
            found.append((name, each.findtext("MessageText"), each.findtext("DequeueCount")))
        return {"messages": tuple(sorted(found))}

    def _symbol(self, kind: str, of: str, value: str) -> str:
        made = self._made.setdefault((kind, of), [])
        if value not in made:
            made.append(value)
        return f"{made.index(value)}"

    def _real(self, text: str) -> str:
        for place, name in self._places.items():
            text = text.replace(place, name)

        def made(match: re.Match[str]) -> str:
            of = match[2] if match[1] != "etag" else f"{CONTAINER}/{match[2]}"
            values = self._made.get((match[1], of), [])
            place = int(match[3])
            # One that was never made is that of a blob or message that was never there.
            known = -len(values) <= place < len(values)
            return values[place] if known else _NEVER[match[1]]

        return _SYMBOL.sub(made, text)


# Such as the service could have made.
_NEVER: Final = {
    "etag": "0x8D0000000000000",
    "id": "00000000-0000-4000-8000-000000000000",
    "receipt": "AgAAAAMAAAAAAAAAnQSM3lGk3AE=",
}


def _message(step: Step) -> str:
    match = _SYMBOL.search(step.path)
    assert match is not None
    return match[3]


def described(steps: Sequence[Step], first: Sequence[Any], second: Sequence[Any]) -> str:
    """Return where two sides differ, as the requests up to there and both answers."""
    for number, (step, one, other) in enumerate(zip(steps, first, second, strict=True)):
        if one != other:
            before = "\n".join(f"  {each}" for each in steps[:number])
            return f"{before}\n> {step}\n  in memory: {one}\n  Azurite:   {other}"
    return ""
