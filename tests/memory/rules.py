"""What Azure refuses of names, metadata and numbers, whatever there is in the account.

The sources of these rules stand where the local run holds them: ``infra/local/services/azurite_front``.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline_app.contract import name_problem
from tests.memory.requests import Asked, Refused

MAX_BLOB_NAME: Final = 1024
MAX_METADATA_BYTES: Final = 8 * 1024
WEEK_SECONDS: Final = 7 * 24 * 60 * 60
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_METADATA: Final = "x-ms-meta-"
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_QUEUE: Final = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def check_blob_name(name: str) -> None:
    """Refuse a blob's name that Azure does not take, or takes for another."""
    if len(name.encode("utf-16-le", "surrogatepass")) // 2 > MAX_BLOB_NAME:
        raise Refused(400, "OutOfRangeInput", f"The name has more than {MAX_BLOB_NAME} characters.")
    if problem := name_problem(name, exists=True):
        raise Refused(400, "InvalidUri", f"The blob name {name!r} {problem}.")


def check_queue_name(name: str) -> None:
    """Refuse a queue's name that Azure does not take."""
    if not _QUEUE.fullmatch(name):
        raise Refused(400, "InvalidResourceName" if 3 <= len(name) <= 63 else "OutOfRangeInput")


def metadata_of(asked: Asked) -> tuple[tuple[str, str], ...]:
    """Return the metadata that a request has for a blob, in order; refuse what Azure does."""
    found: dict[str, str] = {}
    size = 0
    for key, value in asked.headers:
        if not key.startswith(_METADATA):
            continue
        name = key[len(_METADATA) :]
        if not name:
            raise Refused(400, "EmptyMetadataKey")
        if not _IDENTIFIER.fullmatch(name) or name in found or not _PRINTABLE.fullmatch(value):
            raise Refused(400, "InvalidMetadata", f"The metadata {name!r} is {value!r}.")
        found[name] = value
        size += len(name) + len(value)
    if size > MAX_METADATA_BYTES:
        raise Refused(400, "MetadataTooLarge")
    return tuple(sorted(found.items()))


def number_of(asked: Asked, name: str, least: int, most: int, default: int) -> int:
    """Return a whole number of the query; refuse one that is none, or beyond its bounds."""
    text = asked.parameter(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?\d+", text, re.ASCII):
        raise Refused(400, "InvalidQueryParameterValue", f"{name} is {text!r}.")
    if not least <= int(text) <= most:
        raise Refused(400, "OutOfRangeQueryParameterValue", f"{name} is {text}.")
    return int(text)
