"""Container Instances as the questions meet it: groups that pass from state to state with the stand-in's time.

The rules, each with its switch: https://learn.microsoft.com/azure/container-instances/container-instances-update,
https://learn.microsoft.com/rest/api/container-instances/container-groups/start and
https://learn.microsoft.com/azure/container-instances/container-instances-resource-and-quota-limits
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from infra.acceptance.azure import Reply
from infra.acceptance.clock import Clock
from infra.acceptance.groups import PROBES
from tests.acceptance.standin_account import StandinAccount

QUOTA = 100
WINDOW_SECONDS = 300.0
PATH = re.compile(
    r"(?P<id>.+/containerGroups/[a-z0-9-]{1,63})(?:/(?P<action>start|stop|restart|containers/probe/logs))?"
)
SCRIPTS = {path.read_text(encoding="utf-8"): path.stem for path in PROBES.glob("*.py")}

May = Callable[[str, str, str], Reply]


def confining(version: int, release: str, **more: Any) -> dict[str, Any]:
    """Return what the probe prints where a version of Landlock confines; ``more`` replaces parts of it."""
    addresses = ("169.254.169.254:80", "169.254.128.1:2377", "168.63.129.16:80", "168.63.129.16:32526")
    metadata = "169.254.169.254:80"
    ways = {each: {"Fast Open": 115, "Multipath TCP": 0, "connect": 0} for each in addresses if each == metadata}
    ways |= {each: {"Fast Open": 110, "Multipath TCP": 110, "connect": 110} for each in addresses if each != metadata}
    kept = {each: {"Fast Open": 95, "Multipath TCP": 93, "connect": 13} for each in addresses}
    confined = {"addresses": kept if version >= 4 else ways, "read": 13, "write": 13}
    return {
        "endpoints": {},
        "open": {"addresses": ways, "read": 0, "write": 0},
        "release": release,
        "tokens": {each: "200" if each == metadata else "TimeoutError" for each in addresses},
        "version": version,
        **({"confined": confined} if version >= 3 else {}),
        **more,
    }


@dataclass
class Rules:
    """How Container Instances behaves; what stands here is what the code expects.

    Attributes:
        confinement: what the probe of that name prints.
        cores: how many groups may run; None for any number.
        grace: seconds between SIGTERM and the end, or None where no SIGTERM comes.
        healthy_killed: a liveness probe ends a container that answers 200.
        mount_fails: the share cannot be mounted.
        pull_fails: the image cannot be pulled.
        share: what the share's probe prints.
        sick_killed: a liveness probe ends a container that answers 500.
        start_seconds: from the request to the container's start.
        starts_count: a start counts against the quota of creations.
        statuses: of ``start`` by state, where they are others.
        update_image: a PUT that changes an ended group's image is accepted.
        update_tag: the same of a tag.
    """

    confinement: dict[str, Any] = field(default_factory=lambda: confining(6, "6.12.40-azure"))
    cores: int | None = None
    grace: float | None = 30
    healthy_killed: bool = False
    mount_fails: bool = False
    pull_fails: bool = False
    share: dict[str, Any] = field(
        default_factory=lambda: {"mode": "0777", "owner": 0, "read": 2, "uid": 10001, "written": 4}
    )
    sick_killed: bool = True
    start_seconds: float = 20
    starts_count: bool = False
    statuses: dict[str, int] = field(default_factory=dict)
    update_image: bool = False
    update_tag: bool = False


@dataclass
class Group:
    """One group: what was put, and since when it is what; ``until`` is when its container ends by itself."""

    body: dict[str, Any]
    begun: float
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    started: float = 0
    stopped: bool = False
    until: float = 0

    @property
    def arguments(self) -> list[str]:
        """What the probe is told."""
        return list(self.container["command"][3:])

    @property
    def container(self) -> dict[str, Any]:
        """The container's properties as they were put."""
        properties: dict[str, Any] = self.body["properties"]["containers"][0]["properties"]
        return properties

    @property
    def probe(self) -> str:
        """Which probe runs."""
        return SCRIPTS[self.container["command"][2]]


class Groups:
    """All groups."""

    def __init__(self, clock: Clock, account: StandinAccount, may: May) -> None:
        self.made: dict[str, Group] = {}
        self.rules = Rules()
        self._account = account
        self._clock = clock
        self._counted: list[float] = []
        self._may = may

    def handle(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        """Answer a request."""
        match = PATH.fullmatch(path)
        if match is None:
            return 404, _error("ResourceNotFound", path)
        group = self.made.get(match["id"])
        if method == "PUT" and body is not None:
            return self._put(match["id"], group, json.loads(json.dumps(body)))
        if group is None:
            return (204, None) if method == "DELETE" else (404, _error("ResourceNotFound", path))
        if method == "DELETE":
            del self.made[match["id"]]
            return 200, None
        if match["action"] == "start" and method == "POST":
            return self._start(group)
        if match["action"] == "stop" and method == "POST":
            return self._stop(group)
        if match["action"] == "containers/probe/logs":
            if self.state(group) == "Pending":
                return 400, _error("ContainerGroupNotReady", "There is no log yet.")
            return 200, {"content": "a line of the image\n" + "\n".join(json.dumps(line) for line in group.lines)}
        return 200, self._view(group)

    def state(self, group: Group) -> str:
        """Return a group's state now."""
        now = self._clock.now()
        if group.stopped:
            return "Stopped"
        if self.rules.pull_fails or (self.rules.mount_fails and "volumes" in group.body["properties"]):
            return "Failed"
        if now < group.started:
            return "Pending"
        if now < group.until:
            return "Running"
        code = int(group.arguments[0]) if group.probe == "end" else 0
        return "Succeeded" if code == 0 and not group.events else "Failed"

    def tick(self) -> None:
        """Let the probes that run do what they do."""
        for group in list(self.made.values()):
            if self.state(group) != "Running":
                continue
            if group.probe == "grace":
                self._account.files.setdefault(group.arguments[0].removeprefix("/mnt/azurefiles/"), "up\n")
            if group.probe == "ask_arm":
                self._ask(group)

    def _ask(self, group: Group) -> None:
        client_id, method, url, _, until = group.arguments[:5]
        reply = self._may(client_id, method, urlsplit(url).path)
        line = {"at": 0, "code": reply.code, "message": reply.message, "status": reply.status}
        if not group.lines or (group.lines[-1]["status"], group.lines[-1]["code"]) != (reply.status, reply.code):
            group.lines.append({**line, "seconds": self._clock.now() - group.started})
        if reply.ok and until == "first":
            group.until = self._clock.now()

    def _count(self) -> bool:
        """Count a creation; return whether the quota allows it."""
        now = self._clock.now()
        self._counted = [each for each in self._counted if each > now - WINDOW_SECONDS]
        if len(self._counted) >= QUOTA:
            return False
        self._counted.append(now)
        return True

    def _put(self, key: str, group: Group | None, body: dict[str, Any]) -> tuple[int, Any]:
        properties = body["properties"]
        pulls = {each["identity"] for each in properties.get("imageRegistryCredentials", [])}
        if not pulls <= body["identity"]["userAssignedIdentities"].keys():
            return 400, _error("InvalidImageRegistryCredentialIdentity", "The group does not have the identity.")
        if group is not None:
            return self._update(group, body)
        if self.rules.cores is not None and len(self.made) >= self.rules.cores:
            return 409, _error("ContainerGroupQuotaReached", "StandardCores exceeded in region 'westeurope'.")
        if not self._count():
            return 429, _error("TooManyRequests", "Container group creates per 5 minutes")
        self.made[key] = group = Group(body=body, begun=self._clock.now())
        self._run(group)
        return 201, self._view(group)

    def _run(self, group: Group) -> None:
        now = self._clock.now()
        group.started, group.stopped = now + self.rules.start_seconds, False
        group.events = []
        arguments = group.arguments
        seconds = 1.0
        if group.probe == "ask_arm":
            seconds = float(arguments[3])
        elif group.probe == "end":
            seconds = float(arguments[1]) if len(arguments) > 1 else 0
        elif group.probe == "grace":
            seconds = 900
        elif group.probe == "health":
            seconds = self._health(group, arguments)
        group.until = group.started + seconds
        if group.probe == "share" and not (self.rules.mount_fails or self.rules.pull_fails):
            group.lines = [self.rules.share]
        if group.probe == "confinement" and not self.rules.pull_fails and self.rules.confinement:
            # The metadata service knows an identity by its client id.
            assert arguments[1] == "client-of-worker"
            group.lines = [self.rules.confinement]
        if group.probe == "grace":
            self._account.files.pop(arguments[0].removeprefix("/mnt/azurefiles/"), None)

    def _health(self, group: Group, arguments: list[str]) -> float:
        healthy = arguments[1] == "200"
        killed = self.rules.healthy_killed if healthy else self.rules.sick_killed
        if not killed or "livenessProbe" not in group.container:
            return float(arguments[2])
        group.events = [{"message": "Liveness probe failed: HTTP probe failed", "name": "Unhealthy"}]
        return 45

    def _start(self, group: Group) -> tuple[int, Any]:
        state = self.state(group)
        known = {"Pending": 409, "Running": 204}
        status = self.rules.statuses.get(state, known.get(state, 202))
        if status == 202:
            if self.rules.starts_count and not self._count():
                return 429, _error("ContainerGroupQuotaReached", "Container group creates per 5 minutes")
            self._run(group)
        if status >= 400:
            return status, _error("ContainerGroupTransitioning", "The container group is still transitioning.")
        return status, None

    def _stop(self, group: Group) -> tuple[int, Any]:
        if self.state(group) == "Running" and group.probe == "grace":
            path = group.arguments[0].removeprefix("/mnt/azurefiles/")
            told = "" if self.rules.grace is None else f"0.0\n{self.rules.grace}\n"
            self._account.files[path] = f"up\nup\n{told}"
        group.stopped = True
        return 204, None

    def _update(self, group: Group, body: dict[str, Any]) -> tuple[int, Any]:
        image = body["properties"]["containers"][0]["properties"]["image"]
        same_image = image == group.container["image"]
        if self.state(group) not in ("Pending", "Running") and not (
            self.rules.update_tag if same_image else self.rules.update_image
        ):
            return 409, _error("ContainerGroupTerminated", "It has terminated and must be deployed as new.")
        group.body = body
        if not same_image:
            self._run(group)
        return 200, self._view(group)

    def _view(self, group: Group) -> dict[str, Any]:
        events = [
            {"lastTimestamp": _time(group.started - 12), "message": "pulling", "name": "Pulling"},
            {"lastTimestamp": _time(group.started - 4), "message": "pulled", "name": "Pulled"},
            *group.events,
        ]
        if self.rules.pull_fails:
            events = [{"lastTimestamp": _time(group.started), "message": "Failed to pull image", "name": "Failed"}]
        if self.rules.mount_fails:
            events.append({"lastTimestamp": _time(group.started), "message": "Failed to mount", "name": "FailedMount"})
        view = {"currentState": {"startTime": _time(group.started)}, "events": events}
        return {
            "properties": {
                "containers": [{"name": "probe", "properties": {"instanceView": view}}],
                "instanceView": {"events": [], "state": self.state(group)},
            }
        }


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
