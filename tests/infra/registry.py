"""A container registry on this machine, as strict as the specification about digests, and with Azure's sign-in."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs

# A token of Entra's that the registry takes; it is no text of a form as it is.
ENTRA_TOKEN = "SECRET/+=&entra-token-of-more-than-forty-characters"


class Registry(ThreadingHTTPServer):
    """Manifests by repository and digest, and tags; a push of layers is not played.

    Attributes:
        actions: what the principal of the token may do in all repositories.
        answer: what a sign-in that is granted is answered with, instead of a token.
        breaks: how the next requests about manifests break off, before or after what they ask for is done, if at all.
        refusals: what the next exchanges are answered with; the text has the token in it.
        requests: what was asked about manifests and allowed, as (method, reference).
        tokens: the registry's own, by what each is for: ``refresh``, or a right.
        uploads: those that were begun or ended, by whether they are open.
        uploads_at: the address, such as ``http://other``, where an upload is to go on; empty is here.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.actions = {"pull", "push"}
        self.answer: bytes | None = None
        self.breaks: list[Literal["after", "before"] | None] = []
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.refusals: list[int] = []
        self.requests: list[tuple[str, str]] = []
        self.tags: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.uploads: dict[str, bool] = {}
        self.uploads_at = ""

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

    def do_DELETE(self) -> None:
        name, _, upload = self._upload()
        known = self._may(name, {"push"}) and self.server.uploads.get(upload)
        self.server.uploads[upload] = False
        self._answer(204 if known else 404)

    def do_GET(self) -> None:
        self._manifest()

    def do_HEAD(self) -> None:
        self._manifest()

    def do_POST(self) -> None:
        form = {key: values[0] for key, values in parse_qs(self._body().decode()).items()}
        if self.path.endswith("/blobs/uploads/"):
            name, _, _ = self._upload()
            if not self._may(name, {"pull", "push"}):
                self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
                return
            upload = secrets.token_hex(8)
            self.server.uploads[upload] = True
            self._answer(202, location=f"{self.server.uploads_at}{self.path}{upload}")
            return
        if form.get("service") != self.server.server:
            self._answer(400, b"another service")
        elif self.path == "/oauth2/exchange":
            self._exchange(form)
        elif self.path == "/oauth2/token" and self.server.tokens.get(form["refresh_token"]) == "refresh":
            assert form["grant_type"] == "refresh_token"
            _, name, actions = form["scope"].split(":")
            given = ",".join(each for each in actions.split(",") if each in self.server.actions)
            self._give("access_token", f"repository:{name}:{given}")
        else:
            self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')

    def do_PUT(self) -> None:
        self._manifest()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _exchange(self, form: dict[str, str]) -> None:
        assert form["grant_type"] == "access_token"
        if self.server.refusals or form["access_token"] != ENTRA_TOKEN or not self.server.actions:
            status = self.server.refusals.pop(0) if self.server.refusals else 401
            self._answer(status, f"UNAUTHORIZED {form['access_token']}".encode())
            return
        self._give("refresh_token", "refresh")

    def _give(self, key: str, meaning: str) -> None:
        token = f"SECRET-{secrets.token_hex(8)}"
        self.server.tokens[token] = meaning
        self._answer(200, json.dumps({key: token}).encode() if self.server.answer is None else self.server.answer)

    def _may(self, name: str, wanted: set[str]) -> bool:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        right, _, actions = self.server.tokens.get(token, "").rpartition(":")
        return kind == "Bearer" and right == f"repository:{name}" and wanted <= set(actions.split(","))

    def _upload(self) -> tuple[str, str, str]:
        return self.path.removeprefix("/v2/").partition("/blobs/uploads/")

    def _manifest(self) -> None:
        body = self._body()
        name, _, reference = self.path.removeprefix("/v2/").partition("/manifests/")
        if not self._may(name, {"pull", "push"} if self.command == "PUT" else {"pull"}):
            self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
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

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        digest: str | None = None,
        kind: str = "application/json",
        location: str | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in {"Docker-Content-Digest": digest, "Location": location}.items():
            if value:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def running_registry() -> Iterator[Registry]:
    """Run a registry on a free port of this machine."""
    with Registry() as registry:
        thread = threading.Thread(target=registry.serve_forever, args=(0.05,), name="registry")
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()
