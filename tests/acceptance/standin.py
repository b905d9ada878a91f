"""Azure as the questions meet it, in this process: as strict as the real one, and with a switch for each answer.

Time is the stand-in's own: a question's waiting moves it on, and everything that happens meanwhile happens then.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from infra.acceptance.azure import Reply
from infra.acceptance.clock import Clock
from tests.acceptance.standin_account import StandinAccount
from tests.acceptance.standin_groups import Group, Groups

SUBSCRIPTION = "/subscriptions/00000000-1111-2222-3333-444444444444"
RESOURCE_GROUP = f"{SUBSCRIPTION}/resourceGroups/throwaway"
ACCOUNT_ID = f"{RESOURCE_GROUP}/providers/Microsoft.Storage/storageAccounts/files1"
APP = f"{RESOURCE_GROUP}/providers/Microsoft.Web/sites/function1"
PACKAGES_ID = f"{RESOURCE_GROUP}/providers/Microsoft.Storage/storageAccounts/artifacts1"
SERVER = "registry1.azurecr.io"
TOPIC = f"{RESOURCE_GROUP}/providers/Microsoft.EventGrid/systemTopics/uploads"
WORKER_IDENTITY = f"{RESOURCE_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker-identity"

_ASSIGNMENT = re.compile(r"(?P<scope>.+)/providers/Microsoft\.Authorization/roleAssignments/(?P<name>[0-9a-f-]{36})")


class StandinClock(Clock):
    """Counts, in steps of at most five seconds, and lets the stand-in see each."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1_000_000.0
        self.ticking: list[Any] = []

    def now(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        while seconds > 0:
            step = min(5.0, seconds)
            self.seconds += step
            seconds -= step
            for each in self.ticking:
                each.tick()


@dataclass
class Behaviour:
    """How Azure answers; what stands here is what the code expects.

    Attributes:
        assignment_outlives: a role assignment stays when its group is deleted.
        deployment: the status that a deployment ends with.
        functions: what the app lists.
        late: by table, lines and seconds that they come late.
        location: whether OneDeploy sends a Location.
        media_type: of the image's manifest.
        metrics: those of the topic.
        needs_assign: start asks for the right to assign the group's identity.
        place: where OneDeploy says to look, where it is not Resource Manager.
        refused_queries: parts of queries that the workspace does not understand.
        role_seconds: until a role is in force.
    """

    assignment_outlives: bool = False
    deployment: int = 4
    functions: tuple[str, ...] = ("dispatch", "sweep")
    late: dict[str, tuple[int, float]] = field(
        default_factory=lambda: {
            "AppTraces": (40, 90.0),
            "ContainerEvent": (9, 200.0),
            "ContainerEvent_CL": (9, 200.0),
            "ContainerInstanceLog": (9, 200.0),
            "ContainerInstanceLog_CL": (9, 200.0),
        }
    )
    location: bool = True
    media_type: str = "application/vnd.oci.image.index.v1+json"
    metrics: tuple[str, ...] = ("DeadLetteredCount", "DroppedEventCount", "MatchedEventCount")
    needs_assign: bool = False
    place: str = ""
    refused_queries: tuple[str, ...] = ()
    role_seconds: float = 120


class StandinAzure:
    """Plays Resource Manager, the registry, and the workspace."""

    manager = "https://management.azure.com"

    def __init__(self, clock: StandinClock, account: StandinAccount) -> None:
        self.account = account
        self.behaviour = Behaviour()
        self.groups = Groups(clock, account, self.may)
        self.assignments: dict[str, tuple[str, str, float]] = {}
        self.identities: dict[str, str] = {}
        self.taps: dict[str, dict[str, Any]] = {}
        self._clock = clock
        clock.ticking.append(self.groups)

    def arm(self, method: str, path: str, version: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Answer for Resource Manager; its token goes nowhere else."""
        assert urlsplit(path).netloc in ("", urlsplit(self.manager).netloc), path
        path = urlsplit(path).path
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", version):
            return self._refused(400, "InvalidApiVersionParameter", version)
        if match := _ASSIGNMENT.fullmatch(path):
            return self._assignment(method, match["scope"], path, body)
        if "/containerGroups/" in path:
            return self._group(method, path, body)
        if "/userAssignedIdentities/" in path:
            return self._identity(method, path)
        if "/eventSubscriptions/" in path:
            return self._tap(method, path, body)
        if path in (f"{ACCOUNT_ID}/listKeys", f"{PACKAGES_ID}/listKeys") and method == "POST":
            return self._answer(200, {"keys": [{"keyName": "key1", "value": base64.b64encode(b"key").decode()}]})
        if path.startswith(APP):
            return self._app(method, path.removeprefix(APP), body)
        if path == f"{TOPIC}/providers/Microsoft.Insights/metricDefinitions":
            return self._answer(200, {"value": [{"name": {"value": name}} for name in self.behaviour.metrics]})
        return self._refused(404, "ResourceNotFound", path)

    def form(self, url: str, fields: Mapping[str, str]) -> Reply:
        """Answer for the registry's sign-in."""
        registries = "https://containerregistry.azure.net"
        if url == f"https://{SERVER}/oauth2/exchange" and fields["access_token"] == self.token(registries):
            return self._answer(200, {"refresh_token": "refresh"})
        if url == f"https://{SERVER}/oauth2/token" and fields["refresh_token"] == "refresh":
            return self._answer(200, {"access_token": fields["scope"]})
        return self._refused(401, "UNAUTHORIZED", url)

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer for the registry's manifests."""
        if headers["Authorization"] != "Bearer repository:app/csvreport_v1:pull":
            return self._refused(401, "UNAUTHORIZED", url)
        if url != f"https://{SERVER}/v2/app/csvreport_v1/manifests/sha256:{'a' * 64}":
            return self._refused(404, "MANIFEST_UNKNOWN", url)
        children = [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "platform": {"architecture": a, "os": o}}
            for a, o in (("amd64", "linux"), ("unknown", "unknown"))
        ]
        return self._answer(200, {"manifests": children, "mediaType": self.behaviour.media_type})

    def query(self, workspace: str, text: str) -> Reply:
        """Answer for the workspace."""
        if workspace != "customer-1":
            return self._refused(404, "WorkspaceNotFoundError", workspace)
        if any(part in text for part in self.behaviour.refused_queries):
            return self._refused(400, "BadArgumentError", "The request had some invalid properties")
        table, _, rest = text.partition(" | summarize Rows=")
        if not rest:
            return self._answer(200, {"tables": [{"rows": []}]})
        if table not in self.behaviour.late:
            return self._refused(400, "BadArgumentError", f"Failed to resolve table {table}")
        return self._answer(200, {"tables": [{"rows": [list(self.behaviour.late[table])]}]})

    def token(self, audience: str | None = None) -> str:
        """Return a token whose claims name a principal and whom it is for."""
        said = {"aud": audience or self.manager, "oid": "person-1"}
        claims = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        return f"header.{claims}.signature"

    def may(self, client_id: str, method: str, path: str) -> Reply:
        """Answer a request that an identity makes from within a group."""
        principal = next((each for each in self.identities.values() if f"client-{each}" == client_id), None)
        target = path.removesuffix("/start")
        in_force = any(
            scope == target and holder == principal and self._clock.now() >= since + self.behaviour.role_seconds
            for scope, holder, since in self.assignments.values()
        )
        if not in_force:
            return self._refused(403, "AuthorizationFailed", f"The client does not have authorization over {target}.")
        if method == "POST" and self.behaviour.needs_assign:
            needed = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
            return self._refused(403, "LinkedAuthorizationFailed", f"It has no permission to perform {needed}.")
        return self._group(method, path, None)

    def _answer(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        dated = {"date": formatdate(self._clock.now(), usegmt=True)}
        return Reply(body=body, headers={**dated, **(headers or {})}, status=status)

    def _app(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        if (method, path) == ("PUT", "/extensions/onedeploy") and body:
            if "sig=" not in body["properties"]["packageUri"]:
                return self._refused(400, "BadRequest", "the package cannot be read")
            place = self.behaviour.place or f"{self.manager}{APP}/deployments/1?api-version=2024-04-01"
            return self._answer(202, None, {"location": place} if self.behaviour.location else {})
        if method == "GET" and path in ("/deployments/1", "/deployments/latest"):
            return self._answer(200, {"properties": {"status": self.behaviour.deployment}})
        if (method, path) == ("GET", "/functions"):
            return self._answer(200, {"value": [{"name": f"function1/{name}"} for name in self.behaviour.functions]})
        return self._refused(404, "NotFound", path)

    def _assignment(self, method: str, scope: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        if method == "PUT" and body:
            properties = body["properties"]
            self.assignments[path] = (scope, properties["principalId"], self._clock.now())
            return self._answer(201, {"id": path})
        if path not in self.assignments:
            return self._refused(404, "RoleAssignmentNotFound", path)
        if method == "DELETE":
            del self.assignments[path]
        return self._answer(200, {"id": path})

    def _group(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        status, answer = self.groups.handle(method, path, body)
        if method == "DELETE" and status == 200 and not self.behaviour.assignment_outlives:
            self.assignments = {key: each for key, each in self.assignments.items() if each[0] != path}
        return self._answer(status, answer)

    def _identity(self, method: str, path: str) -> Reply:
        if method == "DELETE":
            self.identities.pop(path, None)
            return self._answer(200)
        principal = self.identities.setdefault(path, f"principal-{len(self.identities)}")
        return self._answer(201, {"properties": {"clientId": f"client-{principal}", "principalId": principal}})

    def _refused(self, status: int, code: str, message: str) -> Reply:
        return self._answer(status, {"error": {"code": code, "message": message}})

    def _tap(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        if not path.startswith(f"{TOPIC}/"):
            return self._refused(404, "ResourceNotFound", path)
        if method == "PUT" and body:
            self.account.tap = body["properties"]["destination"]["properties"]["queueName"]
            self.taps[path] = dict(body)
        elif method == "DELETE":
            self.taps.pop(path, None)
            self.account.tap = None
        return self._answer(200, {"properties": {"provisioningState": "Succeeded"}})


def group_of(azure: StandinAzure, name: str) -> Group | None:
    """Return a group by its name."""
    return next((group for key, group in azure.groups.made.items() if key.endswith(f"/{name}")), None)
