"""Managed identities: who is there, what each may touch, and the App Service endpoint that hands out tokens."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from infra.local.services.built_in_roles import BUILT_IN, Permissions
from infra.local.services.conditions import Expression
from pipeline_app.worker.listening import BoundedHandler, BoundedServer

TOKEN_SECONDS: Final = 3600


@dataclass(frozen=True)
class Token:
    """What a bearer token stands for; ``expires`` is a monotonic time in seconds."""

    client_id: str
    resource: str
    expires: float


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A role of a principal at a scope: an ARM id in lower case, without a slash at its end."""

    condition: Expression | None
    permissions: Permissions
    role: str
    scope: str


class UnknownRoleError(ValueError):
    """A role is given that neither the stack has made nor is known here."""


class Directory:
    """The identities that the stack declared, their roles, and the tokens that they hold. Safe to share by threads."""

    def __init__(self, young_checks: int = 0) -> None:
        """Start with nobody; so many checks of a new role find it not in force yet, as Azure's do for minutes.

        Source: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
        """
        self._young_checks = young_checks
        self._young: dict[tuple[str, str, str], int] = {}
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._principals: dict[str, str] = {}
        self._sites: dict[str, set[str]] = {}
        self._roles: dict[str, list[Assignment]] = {}
        self._defined = dict(BUILT_IN)
        self._tokens: dict[str, Token] = {}

    def add_identity(self, client_id: str, principal_id: str) -> None:
        """Take note of an identity."""
        with self._lock:
            self._principals[client_id] = principal_id

    def add_role(self, principal_id: str, scope: str, role: str, condition: Expression | None = None) -> bool:
        """Take note that a principal has a role at a scope, an ARM id; return whether that is new.

        ``role`` is the ARM id of a role's definition, or the GUID at its end.

        Raises:
            UnknownRoleError: there is no such role.
        """
        scope, role = scope.lower().rstrip("/"), role.lower().rpartition("/")[2]
        with self._lock:
            permissions = self._defined.get(role)
            if permissions is None:
                raise UnknownRoleError(f"there is no role {role!r}")
            roles = self._roles.setdefault(principal_id, [])
            if any((each.scope, each.role) == (scope, role) for each in roles):
                return False
            roles.append(Assignment(condition=condition, permissions=permissions, role=role, scope=scope))
            self._young[principal_id, scope, role] = self._young_checks
        for listener in self._listeners:
            listener()
        return True

    def define(self, role: str, permissions: Permissions) -> None:
        """Take note of a role that the stack makes, by the GUID of its definition."""
        with self._lock:
            self._defined[role.lower()] = permissions

    def assignments(self, client_id: str) -> list[Assignment]:
        """Return the roles of an identity."""
        with self._lock:
            return list(self._roles.get(self._principals.get(client_id, ""), []))

    def on_change(self, listener: Callable[[], None]) -> None:
        """Tell a listener of each role that is given."""
        self._listeners.append(listener)

    def add_site(self, client_ids: set[str]) -> str:
        """Let an app use some identities; return the secret that it must send to the token endpoint."""
        header = secrets.token_hex(16)
        with self._lock:
            self._sites[header] = client_ids
        return header

    def forget(self, resource_id: str) -> None:
        """Let the roles on a resource, and on what is in it, end with it."""
        gone = f"{resource_id.lower().rstrip('/')}/"
        with self._lock:
            for principal_id, roles in self._roles.items():
                self._roles[principal_id] = [each for each in roles if not f"{each.scope}/".startswith(gone)]

    def issue(self, header: str | None, client_id: str, resource: str) -> str | None:
        """Return a new token, or None where the app is unknown or does not have the identity."""
        with self._lock:
            if client_id not in self._sites.get(header or "", set()) or client_id not in self._principals:
                return None
            token = secrets.token_urlsafe(32)
            self._tokens[token] = Token(client_id, resource, time.monotonic() + TOKEN_SECONDS)
            return token

    def holder(self, bearer: str, resource: str) -> str | None:
        """Return the principal that a token for a resource speaks for, or None where the token is not good."""
        with self._lock:
            token = self._tokens.get(bearer)
            if not token or token.expires < time.monotonic() or token.resource.rstrip("/") != resource.rstrip("/"):
                return None
            return self._principals[token.client_id]

    def may(self, principal_id: str, action: str, resource_id: str) -> bool:
        """Tell whether a role of a principal at a resource or above it allows an action, and whether that is in force.

        ``action`` is one on the resource itself, such as ``Microsoft.ContainerInstance/containerGroups/read``.
        """
        wanted = f"{resource_id.lower()}/"
        with self._lock:
            keys = [
                (principal_id, each.scope, each.role)
                for each in self._roles.get(principal_id, [])
                if wanted.startswith(f"{each.scope}/") and each.permissions.allows(action)
            ]
            in_force = any(not self._young[key] for key in keys)
            for key in keys:
                self._young[key] = max(0, self._young[key] - 1)
            return in_force


class TokenServer(BoundedServer):
    """The App Service identity endpoint on a free port, as ``ManagedIdentityCredential`` asks it."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        super().__init__(("127.0.0.1", 0), TokenHandler)

    @property
    def url(self) -> str:
        """The value of ``IDENTITY_ENDPOINT``."""
        return f"http://127.0.0.1:{self.server_port}/msi/token"


class TokenHandler(BoundedHandler):
    """Answers ``GET /msi/token?api-version=2019-08-01&resource=…&client_id=…``."""

    content_type = "application/json"
    server: TokenServer

    def do_GET(self) -> None:
        """Issue a token."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path != "/msi/token" or query.get("api-version") != "2019-08-01" or "resource" not in query:
            self.answer(HTTPStatus.BAD_REQUEST, {"statusCode": 400, "message": "Not a token request."})
            return
        client_id = query.get("client_id", "")
        token = self.server.directory.issue(self.headers.get("X-IDENTITY-HEADER"), client_id, query["resource"])
        if token is None:
            message = f"No managed identity {client_id!r} is assigned to this app."
            self.answer(HTTPStatus.BAD_REQUEST, {"statusCode": 400, "message": message})
            return
        answer = {
            "access_token": token,
            "client_id": client_id,
            "expires_on": str(int(time.time()) + TOKEN_SECONDS),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
        self.answer(HTTPStatus.OK, answer)
