"""Reads conditions of role assignments, as Azure does, into what the storage front evaluates with each request.

Only what this project's conditions are made of is read; anything else is refused, so that no condition passes here
that is not looked at. Source: https://learn.microsoft.com/azure/role-based-access-control/conditions-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

VERSION: Final = "2.0"

_BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
# What a condition may say, by the documents; a name that is wrong would meet no request, or all of them.
# Source: https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes
ACTIONS: Final = frozenset(f"{_BLOBS}/{each}" for each in ("add/action", "delete", "read", "write"))
ATTRIBUTES: Final = frozenset({("Request", f"{_BLOBS}:prefix"), ("Resource", f"{_BLOBS}:path")})
OPERATORS: Final = frozenset({"StringEquals", "StringStartsWith"})
SUBOPERATIONS: Final = frozenset({"Blob.List"})

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<match>ActionMatches|SubOperationMatches)\{'(?P<matched>[^']*)'\}"
    r"|@(?P<source>\w+)\[(?P<attribute>[^\]]*)\]"
    r"|'(?P<text>[^']*)'"
    r"|(?P<sign>[()!])"
    r"|(?P<word>\w+))"
)

Expression = list[Any]
Token = dict[str, str | None]


class ConditionError(ValueError):
    """Azure would refuse the condition, or it has what is not read here; the text says what."""


def parse(text: str) -> Expression:
    """Return a condition as nested lists, which JSON can carry.

    These are ``["all", …]``, ``["any", …]``, ``["not", …]``, ``["action", name]``, ``["suboperation", name]`` and
    ``["compare", "Request" or "Resource", attribute, operator, text]``.

    Raises:
        ConditionError: it is none.
    """
    reader = _Reader(list(_tokens(text)))
    expression = reader.either()
    reader.end()
    return expression


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConditionError(f"The condition cannot be read from {text[at : at + 40]!r} on.")
        yield match.groupdict()
        at = match.end()


class _Reader:
    """Reads an expression; of the operators that join, NOT binds closer than AND, and AND closer than OR."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def either(self) -> Expression:
        return self._joined("any", "OR", self._both)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise ConditionError(f"The condition goes on with {self._shown()} where it should end.")

    def _both(self) -> Expression:
        return self._joined("all", "AND", self._one)

    def _joined(self, kind: str, word: str, part: Any) -> Expression:
        parts = [part()]
        while self._take("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else [kind, *parts]

    def _one(self) -> Expression:
        if self._take("sign", "!") or self._take("word", "NOT"):
            return ["not", self._one()]
        if self._take("sign", "("):
            inner = self.either()
            if not self._take("sign", ")"):
                raise ConditionError(f"The condition has {self._shown()} where a bracket should be closed.")
            return inner
        token = self._next()
        if token["match"]:
            is_action = token["match"] == "ActionMatches"
            known = ACTIONS if is_action else SUBOPERATIONS
            return ["action" if is_action else "suboperation", _known(token["matched"], known)]
        if token["source"]:
            attribute = (str(token["source"]), str(token["attribute"]))
            if attribute not in ATTRIBUTES:
                raise ConditionError(f"The condition has @{attribute[0]}[{attribute[1]}], which is not known here.")
            operator, value = self._next()["word"], self._next()["text"]
            if value is None:
                raise ConditionError("The condition compares an attribute with what is no text.")
            return ["compare", *attribute, _known(operator, OPERATORS), value]
        self._at -= 1
        raise ConditionError(f"The condition has {self._shown()} where an expression should be.")

    def _next(self) -> Token:
        if self._at == len(self._tokens):
            raise ConditionError("The condition ends in the middle of an expression.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _shown(self) -> str:
        if self._at == len(self._tokens):
            return "nothing"
        return repr(next(value for value in self._tokens[self._at].values() if value is not None))

    def _take(self, kind: str, value: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at][kind] == value
        self._at += found
        return found


def _known(name: str | None, known: frozenset[str]) -> str:
    if name not in known:
        raise ConditionError(f"The condition has {name!r}. Known here: {', '.join(sorted(known))}.")
    return name
