"""HTTP answers in the forms of Azure Resource Manager and of Storage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer in JSON; None is no body."""
    body = b"" if value is None else json.dumps(value).encode()
    return Answer(status, body, {"Content-Type": "application/json"} | dict(headers or {}))


def storage_error(status: int, code: str) -> Answer:
    """Return an error of Storage."""
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Answer(
        status, text.encode(), storage_headers() | {"Content-Type": "application/xml", "x-ms-error-code": code}
    )


def storage_headers() -> dict[str, str]:
    """Return what Storage says with every answer."""
    return {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "x-ms-version": "2025-01-05"}
