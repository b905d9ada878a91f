"""What an account in memory is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

XML_TYPE: Final = ("Content-Type", "application/xml")


class Asked(NamedTuple):
    """A request: ``path`` is below the account and decoded, the names of headers are in lower case."""

    service: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return a header by its name in lower case, or None."""
        return next((value for key, value in self.headers if key == name), None)

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, or None."""
        return next((value for key, value in self.query if key == name), None)


class Reply(NamedTuple):
    """An answer, of whatever status."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return a header by its name, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def code(self) -> str:
        """The service's own code of a refusal."""
        return self.header("x-ms-error-code") or ""


class Refused(Exception):
    """The service refuses a request: its HTTP status and its own code."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message or f"{code}, by the account in memory."

    def reply(self, method: str) -> Reply:
        """Return the answer; that to a HEAD has no body."""
        text = f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>"
        body = b"" if method == "HEAD" else text.encode()
        return Reply(self.status, (XML_TYPE, ("x-ms-error-code", self.code)), body)


def element(name: str, content: object, **attributes: str) -> str:
    """Return an XML element with a text."""
    said = "".join(f' {key}="{value}"' for key, value in attributes.items())
    # A reader of XML takes a carriage return for a line feed, unless it is written so.
    return f"<{name}{said}>{escape(str(content), {chr(13): '&#13;'})}</{name}>"


def elements(values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    """Return XML elements, one behind the other."""
    return "".join(element(name, value) for name, value in dict(values).items())
