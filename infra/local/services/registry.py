"""The sign-in of a container registry: the deployer's token for one of the registry's own, and the right to push.

Images stay where they are built, so nothing is pushed: an upload that is begun can only be given up.
Sources: https://azure.github.io/acr/AAD-OAuth.html, and the OCI distribution specification for uploads.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pipeline_app.worker.listening import BoundedHandler, BoundedServer

# Below those that systems give to clients, which begin at 32768. Source: Linux, ``ip_local_port_range``.
PORTS: Final = range(20000, 32000)


class RegistryServer(BoundedServer):
    """The login server of all registries of a stack.

    Its port is always the same for the same seed where that is free, since images are called after it.
    """

    def __init__(self, deployer_token: str, seed: int) -> None:
        """Serve; only ``deployer_token`` is taken."""
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self.deployer_token = deployer_token
        try:
            super().__init__(("127.0.0.1", PORTS[seed % len(PORTS)]), RegistryHandler)
        except OSError:
            super().__init__(("127.0.0.1", 0), RegistryHandler)

    @property
    def login_server(self) -> str:
        """The registry's host and port."""
        return f"127.0.0.1:{self.server_port}"

    def issue(self, meaning: str) -> str:
        """Return a new token of the registry's own for what it means: ``refresh``, or a right."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = meaning
        return token

    def meaning(self, token: str) -> str | None:
        """Return what a token means, or None where it is none."""
        with self._lock:
            return self._tokens.get(token)


class RegistryHandler(BoundedHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: RegistryServer

    def do_DELETE(self) -> None:
        """Give an upload up."""
        self._upload(HTTPStatus.NO_CONTENT, {})

    def do_POST(self) -> None:
        """Exchange a token, or begin an upload."""
        if (body := self.body()) is None:
            return
        path = urlsplit(self.path).path
        if path not in ("/oauth2/exchange", "/oauth2/token"):
            self._upload(HTTPStatus.ACCEPTED, {"Location": f"{path}{secrets.token_hex(8)}"})
            return
        form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        kind = "access_token" if path == "/oauth2/exchange" else "refresh_token"
        if form.get("grant_type") != kind or form.get("service") != self.server.login_server:
            self._error(HTTPStatus.BAD_REQUEST, "UNSUPPORTED")
        elif kind == "access_token" and form.get(kind) == self.server.deployer_token:
            self.answer(HTTPStatus.OK, {"refresh_token": self.server.issue("refresh")})
        elif kind == "refresh_token" and self.server.meaning(form.get(kind, "")) == "refresh":
            self.answer(HTTPStatus.OK, {"access_token": self.server.issue(form.get("scope", ""))})
        else:
            self._error(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED")

    def _error(self, status: HTTPStatus, code: str) -> None:
        self.answer(status, {"errors": [{"code": code, "message": f"{self.command} is refused here."}]})

    def _upload(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        name, found, _ = urlsplit(self.path).path.removeprefix("/v2/").partition("/blobs/uploads/")
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if not found or scheme != "Bearer" or self.server.meaning(token) != f"repository:{name}:pull,push":
            self._error(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED")
            return
        self.answer(status, None, headers)
