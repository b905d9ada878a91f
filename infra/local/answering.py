"""What the small servers of a local run answer with: JSON, and not a word on the console."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """Answers in JSON; what is asked is for whoever derives from it to say."""

    content_type = "application/json; charset=utf-8"

    def answer(self, status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer whose body is the object as JSON, or empty where it is None."""
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", self.content_type)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
