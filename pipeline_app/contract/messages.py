"""The queues and their one kind of message: a job, which names an input to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline_app.contract.reading import ContractError, field, json_object, shown

# The Functions host moves what it could not handle to a queue of this name; it cannot be told another.
EVENTS_POISON_QUEUE: Final = "events-poison"
EVENTS_QUEUE: Final = "events"
JOBS_POISON_QUEUE: Final = "jobs-poison"
JOBS_QUEUE: Final = "jobs"
# No counter and no size comes near this, and what is larger would not pass through every reader of JSON.
MAX_NATURAL: Final = 2**63 - 1
# The Queue service shows no more messages than these without taking them.
MAX_PEEKED: Final = 32
MESSAGE_VERSION: Final = 1
# The Queue service deletes a message after 7 days, unless its time to live says this.
NEVER_EXPIRES: Final = -1

# What an older release may not have written.
_COUNTS: Final = ("cut_milliseconds", "cuts", "failed", "given_back", "isolated")


@dataclass(frozen=True, kw_only=True)
class FileJob:
    """One message of the queue ``jobs``: look at this input and see that its newest version has a receipt.

    Attributes:
        name: the input's blob name, such as ``incoming/a/b.csv``.
        etag: the version that raised the event, without quotes; advisory, since the worker always takes the newest.
        size: bytes of that version.
        event_id: the Event Grid event, or ``sweep-…`` where a sweep found the input.
        queued_at: when the job was put on the queue, RFC 3339 UTC.
        given_back: how many claims ended without being an attempt (the worker was told to stop).
        failed: how many claims ended as an attempt, by a worker that lived to say so.
        isolated: how many claims a worker began that had nothing else in hand, and did not give back: it was lost, or
            is at it now.
        cut_milliseconds: for how long it was worked on when a worker's end cut that, the longest of all times; a whole
            life of a worker where it had one. Of workers whose life is limited alone.
        cuts: how often it was cut though it was the first thing that a worker did, in the later half of its life.

    Workers of older releases know none of the last four and drop them as they give a message back.
    """

    name: str
    etag: str
    size: int
    event_id: str
    queued_at: str
    given_back: int = 0
    failed: int = 0
    isolated: int = 0
    cut_milliseconds: int = 0
    cuts: int = 0

    def encode(self) -> str:
        """Return the message as JSON in ASCII, which is safe in the XML of the Queue service."""
        return json.dumps({"version": MESSAGE_VERSION, **vars(self)}, sort_keys=True)

    @classmethod
    def decode(cls, text: str) -> FileJob:
        """Read a message; unknown fields are ignored, unknown versions refused.

        Raises:
            ContractError: the text is no job of a version known here.
        """
        message = json_object(text, "the job message")
        version = message.get("version")
        if version != MESSAGE_VERSION or isinstance(version, bool):
            raise ContractError(f"The job message has version {shown(version)}; this release reads {MESSAGE_VERSION}.")
        return cls(
            name=field(message, "name", str, "the job message"),
            etag=field(message, "etag", str, "the job message"),
            size=_natural(message, "size"),
            event_id=field(message, "event_id", str, "the job message"),
            queued_at=field(message, "queued_at", str, "the job message"),
            **{name: _natural(message, name) for name in _COUNTS if name in message},
        )


def _natural(record: Mapping[str, Any], name: str) -> int:
    value = field(record, name, int, "the job message")
    if isinstance(value, bool) or not 0 <= value <= MAX_NATURAL:
        raise ContractError(f"Field {name!r} of the job message is {shown(value)}; it must be 0 to {MAX_NATURAL}.")
    return value
