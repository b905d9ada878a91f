"""Ids and keys that follow from names, so that every process of the stand-in knows the same ones."""

from __future__ import annotations

import uuid
from typing import Any, Final

# What must never be seen in plain; tests search for it.
MARKER: Final = "STAND-IN-SECRET"


def account_key(content: dict[str, Any], name: str) -> str:
    """Return the present key of a storage account."""
    rotations = content["rotations"].get(name, 0)
    return secret_of(f"{name}{rotations}" if rotations else name)


def secret_of(name: str) -> str:
    """Return the key of an account, registry or workspace: marked, and valid base64 as keys are."""
    return f"{MARKER.replace('-', '+')}+{name.replace('-', '')}".ljust(88, "0")


def named(content: dict[str, Any], token: str, name: str) -> str | None:
    """Return the id of the resource of a type that has a name, or None."""
    for resource_id, each in content["resources"].items():
        if each["type"] == token and each["name"] == name:
            return str(resource_id)
    return None


def stable_uuid(text: str) -> str:
    """Return an id that is always the same for the same text."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
