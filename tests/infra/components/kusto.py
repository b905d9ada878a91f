"""As much of the Kusto language as this project's queries are written in; anything else is an error.

Source: https://learn.microsoft.com/kusto/query/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
Value = Callable[[Row], Any]

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|\d+|==|!=|[()\[\],:=|<>])')


def _json(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        # Kusto then takes the text itself for a value, which has no fields.
        return value


_CALLS: dict[str, Callable[[Any], Any]] = {
    "parse_json": _json,
    "tobool": lambda value: value if isinstance(value, bool) else None,
    "tolong": lambda value: value if isinstance(value, int) and not isinstance(value, bool) else None,
    "tostring": lambda value: "" if value is None else value if isinstance(value, str) else json.dumps(value),
}
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "!=": lambda left, right: left is not None and left != right,
    "<": lambda left, right: left is not None and left < right,
    "==": lambda left, right: left is not None and left == right,
    ">": lambda left, right: left is not None and left > right,
    "endswith": lambda left, right: (left or "").lower().endswith(right.lower()),
    "contains_cs": lambda left, right: right in (left or ""),
}
_CONSTANTS = {"false": False, "true": True}


@dataclass
class Query:
    """A query that was read.

    Attributes:
        columns: the columns of its tables that it names.
        compared: by the path of a field, the texts that it is compared with.
        fields: by the path of a field, the functions that it is given to.
        given: the columns of an empty table that it has beside its tables.
        made: the columns that it makes itself.
        steps: what it does with a row: returns the next one, or None where it is left out.
        tables: what it reads.
    """

    columns: set[str] = field(default_factory=set)
    compared: dict[str, set[str]] = field(default_factory=dict)
    fields: dict[str, set[str]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    steps: list[Callable[[Row], Row | None]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def run(self, row: Row) -> Row | None:
        """Return what comes of a row of one of the tables, None where it is not selected."""
        current: Row | None = row
        for step in self.steps:
            if current is not None:
                current = step(current)
        return current


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        SyntaxError: it has something that is not known here.
    """
    return _Parser(text).query


class _Parser:
    def __init__(self, text: str) -> None:
        # The path of the field that the last value is of.
        self._last = ""
        self._tokens: list[str] = []
        end = 0
        while match := _TOKEN.match(text, end):
            self._tokens.append(match[1])
            end = match.end()
        if text[end:].strip():
            raise SyntaxError(f"{text[end:]!r} is no part of a query.")
        self.query = Query()
        self._source()
        while self._tokens:
            self._take("|")
            self._step(self._take())

    def _source(self) -> None:
        if self._peek() == "union":
            self._take("union")
            for each in ("isfuzzy", "=", "true"):
                self._take(each)
            if self._peek() == "(":
                self._datatable()
        self.query.tables = [self._take(), *self._rest(self._take)]

    def _datatable(self) -> None:
        """Read an empty table, whose columns are there whatever other tables have."""
        for each in ("(", "datatable", "("):
            self._take(each)
        self._given()
        self._rest(self._given)
        for each in (")", "[", "]", ")", ","):
            self._take(each)

    def _given(self) -> None:
        self.query.given.add(self._take())
        self._take(":")
        self._take()

    def _step(self, operator: str) -> None:
        if operator == "where":
            condition = self._either()
            self.query.steps.append(lambda row: row if condition(row) is True else None)
        elif operator in ("extend", "project"):
            made = dict([self._column(), *self._rest(self._column)])
            self.query.made |= made.keys()
            kept = operator == "extend"
            self.query.steps.append(
                lambda row: {**(row if kept else {}), **{name: value(row) for name, value in made.items()}}
            )
        elif operator == "order":
            self._take("by")
            self._name(self._take())
            if self._peek() in ("asc", "desc"):
                self._take()
        else:
            raise SyntaxError(f"The operator {operator!r} is not known here.")

    def _column(self) -> tuple[str, Value]:
        name = self._take()
        if self._peek() != "=":
            return name, self._name(name)
        self._take("=")
        return name, self._either()

    def _either(self) -> Value:
        parts = [self._both()]
        while self._peek() == "or":
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) is True for part in parts)

    def _both(self) -> Value:
        parts = [self._comparison()]
        while self._peek() == "and":
            self._take()
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) is True for part in parts)

    def _comparison(self) -> Value:
        left = self._value()
        path, operator = self._last, self._peek()
        if operator == "in":
            self._take()
            self._take("(")
            choices = [self._text(), *self._rest(self._text)]
            self._take(")")
            self._note(path, choices)
            return lambda row: left(row) in choices
        if operator not in _COMPARES:
            return left
        compare = _COMPARES[self._take()]
        if (self._peek() or "").startswith('"'):
            said = self._text()
            self._note(path, [said])
            return lambda row: compare(left(row), said)
        right = self._value()
        return lambda row: compare(left(row), right(row))

    def _value(self) -> Value:
        self._last = ""
        token = self._take()
        if token == "(":
            inner = self._either()
            self._take(")")
            return inner
        if token in _CONSTANTS:
            constant = _CONSTANTS[token]
            return lambda row: constant
        if token.isdigit():
            return lambda row: int(token)
        if token.startswith('"'):
            return lambda row: json.loads(token)
        if self._peek() == "(":
            return self._call(token)
        return self._name(token)

    def _call(self, name: str) -> Value:
        if name == "coalesce":
            return self._coalesce()
        if name not in _CALLS:
            raise SyntaxError(f"The function {name!r} is not known here.")
        self._take("(")
        inner, call = self._value(), _CALLS[name]
        if self._last:
            self.query.fields[self._last].add(name)
        self._take(")")
        return lambda row: call(inner(row))

    def _coalesce(self) -> Value:
        self._take("(")
        values = [self._value(), *self._rest(self._value)]
        self._take(")")
        # Of texts, the empty one counts as none.
        return lambda row: next((found for value in values if (found := value(row)) not in (None, "")), None)

    def _name(self, path: str) -> Value:
        column, *steps = path.split(".")
        if column not in self.query.made:
            self.query.columns.add(column)
        if steps:
            self._last = path
            self.query.fields.setdefault(path, set())

        def value(row: Row) -> Any:
            found: Any = row.get(column)
            for step in steps:
                found = found.get(step) if isinstance(found, dict) else None
            return found

        return value

    def _note(self, path: str, texts: list[str]) -> None:
        if path:
            self.query.compared.setdefault(path, set()).update(texts)

    def _rest(self, take: Callable[[], Any]) -> list[Any]:
        found = []
        while self._peek() == ",":
            self._take(",")
            found.append(take())
        return found

    def _text(self) -> str:
        return str(json.loads(self._take()))

    def _peek(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def _take(self, wanted: str | None = None) -> str:
        if not self._tokens or wanted not in (None, self._tokens[0]):
            raise SyntaxError(f"{wanted or 'something'} is missing before {' '.join(self._tokens[:5]) or 'the end'}.")
        return self._tokens.pop(0)
