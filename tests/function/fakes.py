"""Stand-ins for Azure: container groups in memory, and what Azure Resource Manager answers."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pipeline_function.runners import GroupState
from tests.memory.account import EPOCH

GRACE = timedelta(minutes=2)
MOMENT = EPOCH
GROUP_PATH = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerInstance/containerGroups/"
    r"(?P<name>[^/?]+)(/(?P<verb>start))?\?api-version=.+"
)

JOB_PATH = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.App/jobs/(?P<name>[^/?]+)/executions"
    r"\?api-version=[\d-]+(&page=(?P<page>\d+))?"
)


def group_id(name: str = "group") -> str:
    """Return the resource id of a container group with this name."""
    return f"/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/{name}"


def job_id(name: str = "worker") -> str:
    """Return the resource id of a Container Apps job with this name."""
    return f"/subscriptions/sub/resourceGroups/rg/providers/Microsoft.App/jobs/{name}"


@dataclass
class FakeWakeUps:
    """Notes in ``calls`` what it was told."""

    calls: list[str] = field(default_factory=list)

    def job_was_put(self) -> None:
        self.calls.append("job_was_put")

    def jobs_are_there(self) -> None:
        self.calls.append("jobs_are_there")


@dataclass
class FakeGroups:
    """Container groups in memory; a state may be an error to raise, and ``calls`` has what was asked for."""

    states: dict[str, GroupState | Exception | None]
    calls: list[tuple[str, str]] = field(default_factory=list)
    start_faults: dict[str, Exception] = field(default_factory=dict)

    def state(self, group_id: str) -> GroupState | None:
        state = self.states[group_id]
        if isinstance(state, Exception):
            raise state
        return state

    def start(self, group_id: str) -> None:
        self.calls.append(("start", group_id))
        if group_id in self.start_faults:
            raise self.start_faults[group_id]
        self.states[group_id] = GroupState(provisioning="Succeeded", state="Running")


@dataclass
class Arm:
    """What the local Azure Resource Manager holds and was asked.

    Attributes:
        url: its https URL.
        groups: the state of each group by name; after a start it is Running.
        answers: answers (status, headers, body) to give first, by ``GET``, ``executions`` or ``start``.
        executions: the states of a job's executions, by its name, in pages.
        requests: (verb, group name) of each request, in order.
        tokens: the Authorization headers seen.
    """

    url: str = ""
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, deque[tuple[int, dict[str, str], dict[str, Any]]]] = field(default_factory=dict)
    executions: dict[str, list[list[str]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    on_request: Callable[[], None] = lambda: None
    lock: Lock = field(default_factory=Lock)

    def have(
        self,
        name: str,
        *,
        state: str | None,
        provisioning: str = "Succeeded",
        container: str = "Waiting",
        **current: object,
    ) -> None:
        """Let there be a group in this state, and its container with such fields of its current state."""
        view = {} if state is None else {"instanceView": {"events": [], "state": state}}
        shown = {"state": container, **current}
        containers = [{"name": "worker", "properties": {"instanceView": {"currentState": shown}}}]
        properties = {"containers": containers, "osType": "Linux", "provisioningState": provisioning, **view}
        self.groups[name] = {"id": group_id(name), "location": "westeurope", "name": name, "properties": properties}

    def refuse(self, verb: str, status: int, code: str, **headers: str) -> None:
        """Answer the next request of this verb with an error."""
        body = {"error": {"code": code, "message": f"{code} by the test"}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(verb, deque()).append((status, named, body))

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], dict[str, Any] | None]:
        """Return status, headers and body for a request, to Azure Resource Manager or for an identity's token."""
        if path.startswith("/msi/token?"):
            query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
            token = f"{query['client_id']} for {query['resource']}"
            return (
                200,
                {},
                {"access_token": token, "expires_on": str(int(time.time()) + 86_400), "token_type": "Bearer"},
            )
        if match := JOB_PATH.fullmatch(path):
            return self._executions(path, match["name"], int(match["page"] or 0))
        match = GROUP_PATH.fullmatch(path)
        if match is None:
            return 400, {}, {"error": {"code": "BadRequest", "message": f"{method} {path} is not served here"}}
        name, verb = match["name"], match["verb"] or method
        with self.lock:
            self.requests.append((verb, name))
            if self.answers.get(verb):
                return self.answers[verb].popleft()
            if name not in self.groups:
                return 404, {}, {"error": {"code": "ResourceNotFound", "message": f"{name} was not found"}}
            if verb == "GET":
                return 200, {}, self.groups[name]
            # 202 where it starts, 204 where it runs or starts already, as the reference of the operation says.
            if self.groups[name]["properties"].get("instanceView", {}).get("state") in ("Pending", "Running"):
                return 204, {}, None
            self.have(name, state="Running")
            return 202, {}, None

    def _executions(self, path: str, name: str, page: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        with self.lock:
            self.requests.append(("executions", name))
            if self.answers.get("executions"):
                return self.answers["executions"].popleft()
            if name not in self.executions:
                return 404, {}, {"error": {"code": "ResourceNotFound", "message": f"{name} was not found"}}
            pages = self.executions[name]
            value = [{"name": f"{name}-{each}", "properties": {"status": each}} for each in pages[page]]
            more = {"nextLink": f"{self.url}{path}&page={page + 1}"} if page + 1 < len(pages) else {}
            return 200, {}, {"value": value, **more}
