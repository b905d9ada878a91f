"""What an event subscription asks for: which events, where they go, and how long that is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.services.azurite import StorageAccount
from infra.local.services.blob_events import Event


class UnsupportedSubscriptionError(ValueError):
    """A subscription asks for something that the local Event Grid does not do."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events a subscription wants, with the meaning of the ``filter`` property of an event subscription."""

    advanced: tuple[tuple[str, frozenset[str]], ...] = ()
    begins_with: str = ""
    case_sensitive: bool = False
    ends_with: str = ""
    event_types: frozenset[str] | None = None

    @classmethod
    def read(cls, declared: Mapping[str, Any]) -> Filter:
        """Read the property as the stack declares it.

        Raises:
            UnsupportedSubscriptionError: an operator other than StringIn is used.
        """
        advanced = []
        for item in declared.get("advancedFilters") or []:
            if item["operatorType"] != "StringIn":
                raise UnsupportedSubscriptionError(
                    f"The event subscription filters with {item['operatorType']}; the local run knows StringIn alone."
                )
            # Azure compares the strings of advanced filters without regard to case.
            advanced.append((item["key"], frozenset(value.casefold() for value in item["values"])))
        types = declared.get("includedEventTypes")
        return cls(
            advanced=tuple(advanced),
            begins_with=declared.get("subjectBeginsWith") or "",
            case_sensitive=bool(declared.get("isSubjectCaseSensitive")),
            ends_with=declared.get("subjectEndsWith") or "",
            event_types=frozenset(types) if types else None,
        )

    def wants(self, event: Event) -> bool:
        """Tell whether an event passes."""
        if self.event_types is not None and event["eventType"] not in self.event_types:
            return False
        subject, begins, ends = event["subject"], self.begins_with, self.ends_with
        if not self.case_sensitive:
            subject, begins, ends = subject.casefold(), begins.casefold(), ends.casefold()
        if not (subject.startswith(begins) and subject.endswith(ends)):
            return False
        return all(str(_value(event, key)).casefold() in values for key, values in self.advanced)


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Where the events of a storage account go; ``time_to_live`` of the queue message in seconds, -1 for no end."""

    dead_letters: tuple[StorageAccount, str] | None
    filter: Filter
    max_attempts: int
    max_minutes: float
    name: str
    queue: tuple[StorageAccount, str]
    time_to_live: int
    topic: str


def _value(event: Event, key: str) -> object:
    value: object = event
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
