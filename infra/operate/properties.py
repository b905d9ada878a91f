"""Properties of blobs as the SDK gives them."""

from __future__ import annotations

from enum import Enum


def plain(value: str | Enum | None) -> str | None:
    """Return the text of a property that the SDK gives as a text or as a member of an enumeration."""
    return str(value.value) if isinstance(value, Enum) else value
