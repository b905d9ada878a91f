"""A container registry on this machine, as strict as the specification about digests, and with a sign-in by token."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, urlsplit

PASSWORD = "SECRET/+=:password"
USERNAME = "admin"


class Registry(ThreadingHTTPServer):
    """Manifests by repository and digest, and tags; a push of layers is not played.

    Attributes:
        breaks: how the next requests about manifests break off, before or after what they ask for is done, if at all.
        challenge: how a request without a right is told to sign in.
        requests: what was asked about manifests and allowed, as (method, reference).
    """

    daemon_threads = True

    def __init__(self, challenge: Literal["basic", "bearer"] = "bearer") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.breaks: list[Literal["after", "before"] | None] = []
        self.challenge = challenge
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.requests: list[tuple[str, str]] = []
        self.tags: dict[str, str] = {}
        self.tokens: dict[str, str] = {}

    @property
    def server(self) -> str:
        """The registry's host and port."""
        return f"127.0.0.1:{self.server_port}"

    def push(self, manifest: bytes, kind: str = "application/vnd.oci.image.manifest.v1+json") -> str:
        """Have an image; return its digest."""
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        self.manifests[digest] = (kind, manifest)
        return digest


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/token":
            self._manifest()
            return
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if not self._is_admin() or query.get("service") != "the service":
            self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
            return
        token = secrets.token_hex(8)
        self.server.tokens[token] = query["scope"]
        self._answer(200, json.dumps({"access_token": token}).encode())

    def do_HEAD(self) -> None:
        self._manifest()

    def do_PUT(self) -> None:
        self._manifest()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _manifest(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name, _, reference = self.path.removeprefix("/v2/").partition("/manifests/")
        right = f"repository:{name}:{'pull,push' if self.command == 'PUT' else 'pull'}"
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        by_token = kind == "Bearer" and self.server.tokens.get(token) == right
        if not (by_token if self.server.challenge == "bearer" else self._is_admin()):
            bearer = f'Bearer realm="http://{self.server.server}/token",service="the service",scope="{right}"'
            self._answer(401, challenge=bearer if self.server.challenge == "bearer" else 'Basic realm="a realm"')
            return
        self.server.requests.append((self.command, reference))
        broken = self.server.breaks.pop(0) if self.server.breaks else None
        if self.command == "PUT" and broken != "before":
            digest = self.server.push(body, self.headers["Content-Type"])
            self.server.tags[reference] = digest
        if broken:
            self._answer(500, b"broken off")
            return
        if self.command == "PUT":
            self._answer(201, digest=digest)
            return
        digest = self.server.tags.get(reference, reference)
        kind, manifest = self.server.manifests.get(digest, ("", b""))
        # A registry gives what is accepted, or says that it has nothing of the kind.
        if not kind or kind not in self.headers.get("Accept", ""):
            self._answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
            return
        self._answer(200, manifest, digest=digest, kind=kind)

    def _is_admin(self) -> bool:
        expected = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        challenge: str | None = None,
        digest: str | None = None,
        kind: str = "application/json",
    ) -> None:
        self.send_response(status)
        for key, value in {"Docker-Content-Digest": digest, "WWW-Authenticate": challenge}.items():
            if value:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def running_registry(challenge: Literal["basic", "bearer"] = "bearer") -> Iterator[Registry]:
    """Run a registry on a free port of this machine."""
    with Registry(challenge) as registry:
        thread = threading.Thread(target=registry.serve_forever, args=(0.05,), name="registry")
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()
