"""Azure Resource Manager for container groups, to look, start, stop and restart, and for the executions of jobs.

It is served over TLS, as the real clients ask.

Sources: https://learn.microsoft.com/rest/api/container-instances/container-groups/start for the answers, and
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling for throttling.
"""

from __future__ import annotations

import re
import secrets
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit

import trustme

from infra.local.services.identity import Directory
from pipeline_app.worker.listening import BoundedHandler, BoundedServer

API_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
GROUP: Final = re.compile(
    r"(?i)(?P<id>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerInstance/containerGroups/[^/]+)"
    r"(/(?P<action>restart|start|stop))?"
)
EXECUTIONS: Final = re.compile(
    r"(?i)(?P<id>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.App/jobs/[^/]+)/executions"
)
EXECUTIONS_TYPE: Final = "Microsoft.App/jobs/executions"
GROUP_TYPE: Final = "Microsoft.ContainerInstance/containerGroups"
OPERATION: Final = re.compile(
    r"(?i)/subscriptions/[^/]+/providers/Microsoft\.ContainerInstance/locations/[^/]+/operations/(?P<id>[0-9a-f]+)"
)


# Requests that one principal may make at once, and how many more each second, by whether they only read.
READS: Final = (250.0, 25.0)
WRITES: Final = (200.0, 10.0)


class TransitioningError(Exception):
    """The group is between two states; the same request may succeed in a moment."""


class Group(Protocol):
    """A container group as this endpoint needs it."""

    @property
    def location(self) -> str:
        """Its Azure region."""

    def restart(self) -> None:
        """Begin to stop and start it.

        Raises:
            TransitioningError: it is between two states.
        """

    def start(self) -> threading.Event | None:
        """Begin to start it; return an event that is set when it runs, or None if it runs or starts already.

        Raises:
            TransitioningError: it is being stopped or restarted.
        """

    def stop(self) -> None:
        """Begin to stop it; it is transitioning until all its processes are gone. One that has ended stays as it is.

        Raises:
            TransitioningError: it is between two states.
        """

    def view(self) -> dict[str, Any]:
        """Return it as the API shows it."""


class Job(Protocol):
    """A Container Apps job as this endpoint needs it."""

    def executions(self) -> list[dict[str, Any]]:
        """Return its executions as the API shows them."""


class Bucket:
    """How many requests a principal has left."""

    def __init__(self, size: float, each_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._each_second = each_second
        self._left = self._size = size
        self._lock = threading.Lock()
        self._since = clock()

    def take(self) -> bool:
        """Take one request; False if there is none left."""
        with self._lock:
            moment = self._clock()
            self._left = min(self._size, self._left + (moment - self._since) * self._each_second)
            self._since = moment
            if self._left < 1:
                return False
            self._left -= 1
            return True


class ArmServer(BoundedServer):
    """The endpoint, on a free port, with a certificate of an authority of its own."""

    def __init__(
        self,
        directory: Directory,
        groups: Mapping[str, Group],
        authority_file: Path,
        jobs: Mapping[str, Job] = MappingProxyType({}),
    ) -> None:
        """Serve groups and jobs by their ARM ids in lower case; write the certificate that clients are to trust."""
        self.buckets: dict[tuple[str, bool], Bucket] = {}
        self.directory = directory
        self.groups = groups
        self.jobs = jobs
        self.operations: dict[str, threading.Event] = {}
        super().__init__(("127.0.0.1", 0), ArmHandler)
        authority = trustme.CA()
        authority_file.write_bytes(authority.cert_pem.bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            file.touch(mode=0o600)
            file.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
            context.load_cert_chain(file)
        # The handshake is made by the thread of the connection, so that a silent client does not block the others.
        self.socket = context.wrap_socket(self.socket, do_handshake_on_connect=False, server_side=True)

    @property
    def url(self) -> str:
        """The value of ``AZURE_RESOURCE_MANAGER_ENDPOINT``."""
        return f"https://localhost:{self.server_port}"

    def throttles(self, principal: str, *, read: bool) -> bool:
        """Take note of a request; True if the principal makes too many."""
        bucket = self.buckets.setdefault((principal, read), Bucket(*(READS if read else WRITES)))
        return not bucket.take()


class ArmHandler(BoundedHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: ArmServer

    def do_GET(self) -> None:
        """Show a group, or how far an operation is."""
        path = urlsplit(self.path).path
        if match := OPERATION.fullmatch(path):
            if self._principal() is None:
                return
            done = self.server.operations.get(match["id"])
            if done is None:
                self._error(HTTPStatus.NOT_FOUND, "OperationNotFound", f"There is no operation {match['id']}.")
            elif done.is_set():
                self.answer(HTTPStatus.OK, {"status": "Succeeded"})
            else:
                self.answer(
                    HTTPStatus.ACCEPTED, {"status": "InProgress"}, {"Location": self._here(), "Retry-After": "1"}
                )
            return
        if match := EXECUTIONS.fullmatch(path):
            if self._allowed(match["id"], f"{EXECUTIONS_TYPE}/read", read=True):
                job = self.server.jobs.get(match["id"].lower())
                if job is None:
                    self._missing(match["id"])
                else:
                    self.answer(HTTPStatus.OK, {"value": job.executions()})
            return
        if found := self._find(action=False):
            self.answer(HTTPStatus.OK, found[0].view())

    def do_POST(self) -> None:
        """Start, stop or restart a group."""
        if self.body() is None:
            return
        if not (found := self._find(action=True)):
            return
        group, action = found
        try:
            done = None
            if action == "restart":
                group.restart()
            elif action == "stop":
                group.stop()
            else:
                done = group.start()
        except TransitioningError:
            name = group.view()["name"]
            message = f"The container group '{name}' is still transitioning, please retry later."
            self._error(HTTPStatus.CONFLICT, "ContainerGroupTransitioning", message)
            return
        if done is None:
            self.answer(HTTPStatus.NO_CONTENT, None)
            return
        operation = secrets.token_hex(16)
        self.server.operations[operation] = done
        subscription = urlsplit(self.path).path.split("/")[2]
        location = (
            f"{self.server.url}/subscriptions/{subscription}/providers/Microsoft.ContainerInstance"
            f"/locations/{group.location}/operations/{operation}?api-version={self._version()}"
        )
        self.answer(HTTPStatus.ACCEPTED, None, {"Location": location, "Retry-After": "1"})

    def _error(self, status: HTTPStatus, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.answer(status, {"error": {"code": code, "message": message}}, headers)

    def _find(self, *, action: bool) -> tuple[Group, str] | None:
        """Return the group and action of the request, or answer why not."""
        match = GROUP.fullmatch(urlsplit(self.path).path)
        if not match or bool(match["action"]) != action:
            self._error(HTTPStatus.NOT_FOUND, "InvalidResourceType", f"{self.command} {self.path} is not served here.")
            return None
        asked = f"{match['action'].lower()}/action" if match["action"] else "read"
        if not self._allowed(match["id"], f"{GROUP_TYPE}/{asked}", read=not action):
            return None
        group = self.server.groups.get(match["id"].lower())
        if group is None:
            self._missing(match["id"])
            return None
        return group, (match["action"] or "").lower()

    def _allowed(self, resource_id: str, action: str, *, read: bool) -> bool:
        """Tell whether the request may do this to a resource, or answer why not."""
        if not API_VERSION.fullmatch(self._version()):
            self._error(
                HTTPStatus.BAD_REQUEST, "MissingApiVersionParameter", "The api-version query parameter is required."
            )
            return False
        if (principal := self._principal()) is None:
            return False
        if self.server.throttles(principal, read=read):
            message = f"Number of requests for subscription and '{principal}' exceeded. Please try again later."
            self._error(HTTPStatus.TOO_MANY_REQUESTS, "SubscriptionRequestsThrottled", message, {"Retry-After": "1"})
            return False
        if not self.server.directory.may(principal, action, resource_id):
            message = (
                f"The client '{principal}' does not have authorization to perform action '{action}' over scope "
                f"'{resource_id}'."
            )
            self._error(HTTPStatus.FORBIDDEN, "AuthorizationFailed", message)
            return False
        return True

    def _missing(self, resource_id: str) -> None:
        message = f"The Resource '{resource_id.split('/providers/')[1]}' was not found."
        self._error(HTTPStatus.NOT_FOUND, "ResourceNotFound", message)

    def _here(self) -> str:
        return f"{self.server.url}{self.path}"

    def _principal(self) -> str | None:
        """Return who asks, or answer that the token is not good."""
        scheme, _, bearer = (self.headers.get("Authorization") or "").partition(" ")
        principal = self.server.directory.holder(bearer, self.server.url) if scheme == "Bearer" else None
        if principal is None:
            self._error(
                HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationToken", "The access token is missing or invalid."
            )
        return principal

    def _version(self) -> str:
        return parse_qs(urlsplit(self.path).query).get("api-version", [""])[0]
