"""Reading what others wrote: each thing that does not follow the contract is named with what it has to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar, cast

# The types of fields by what the classes of the contract write; what is not here is looked at on its own.
_KINDS: Final[Mapping[str, Any]] = {"int": int, "int | None": int | None, "str": str, "str | None": str | None}
_SHOWN: Final = 200

T = TypeVar("T")


class ContractError(ValueError):
    """A message, receipt or setting that does not follow the contract; the text says what is wrong and the fix."""


def field(record: Mapping[str, Any], name: str, kind: type[T], what: str) -> T:
    """Return a field of a record, which has to be of a type.

    Raises:
        ContractError: it is missing, or of another type.
    """
    value = record.get(name)
    if not isinstance(value, kind):
        raise ContractError(f"Field {name!r} of {what} is {shown(value)}; it must be of type {kind.__name__}.")
    return value


def json_object(text: str, what: str) -> dict[str, Any]:
    """Return a text's JSON object.

    Raises:
        ContractError: it is none.
    """
    try:
        value = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ContractError(f"{what.capitalize()} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ContractError(f"{what.capitalize()} is a JSON {type(value).__name__}; it must be an object.")
    return cast("dict[str, Any]", value)


def known(record: object, kind: type[Any], what: str) -> dict[str, Any]:
    """Return the fields of a record that are known, each of the type that the class says.

    Raises:
        ContractError: the record is no object, or a field of another type.
    """
    if not isinstance(record, dict):
        raise ContractError(f"{what.capitalize()} is {shown(record)}; it must be an object.")
    known = {}
    for field in fields(kind):
        if field.name not in record:
            continue
        value = known[field.name] = record[field.name]
        expected = _KINDS.get(str(field.type))
        if expected is not None and (not isinstance(value, expected) or isinstance(value, bool)):
            raise ContractError(f"Field {field.name!r} of {what} is {shown(value)}; it must be of type {field.type}.")
    return known


def require(environment: Mapping[str, str], name: str) -> str:
    """Return a setting that must be there.

    Raises:
        ContractError: the setting is missing or empty.
    """
    value = environment.get(name, "").strip()
    if not value:
        raise ContractError(f"The setting {name} is missing or empty. Set it in the environment.")
    return value


def shown(value: object) -> str:
    """Return a value for an error: on one line, in ASCII, and short whatever was sent."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
