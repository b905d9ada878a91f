"""Azure over HTTP, as whoever is signed in: Resource Manager, Log Analytics and the registry.

Nothing is tried again here, since a refusal is often the very answer; only reading survives a broken connection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest, HttpResponse

from infra.acceptance.asking import NotAnswered

# Where Log Analytics is asked; a token for this address is wanted, not one of Resource Manager.
# Source: https://github.com/Azure/azure-sdk-for-go/blob/main/sdk/monitor/query/azlogs/cloud_config.go
LOGS: Final = "https://api.loganalytics.io"
PAUSE_SECONDS: Final = 3.0
READ_TRIES: Final = 4
REQUEST_SECONDS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: ``headers`` by lower-case name, ``body`` as JSON where it is JSON, else as text."""

    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int

    @property
    def code(self) -> str:
        """Azure's own word for an error, or nothing."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return str(error.get("code", "")) if isinstance(error, dict) else ""

    @property
    def message(self) -> str:
        """Azure's own sentence for an error, or nothing."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return str(error.get("message", "")) if isinstance(error, dict) else ""

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return 200 <= self.status < 300

    @property
    def told(self) -> str:
        """Status and code in one, such as ``409 ContainerGroupTransitioning``."""
        return f"{self.status} {self.code}".strip()

    @property
    def when(self) -> float:
        """The service's own clock when it answered, in seconds since the epoch."""
        date = self.headers.get("date")
        return parsedate_to_datetime(date).timestamp() if date else time.time()

    def value(self, what: str) -> dict[str, Any]:
        """Return the body of a success.

        Raises:
            NotAnswered: it was refused; ``what`` says what was asked for.
        """
        if not self.ok:
            raise NotAnswered(f"{what} was answered with {self.told}: {self.message or self.body}")
        return self.body if isinstance(self.body, dict) else {}


class Azure(Protocol):
    """What questions ask Azure through; ``manager`` is Resource Manager's address, without a slash at the end."""

    manager: str

    def arm(self, method: str, path: str, version: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Ask Resource Manager about an id or a whole URL, with an API version; a status of any kind is an answer."""

    def form(self, url: str, fields: Mapping[str, str]) -> Reply:
        """Post a form without a token, as a registry's sign-in takes it."""

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Read any URL with headers of one's own."""

    def query(self, workspace: str, text: str) -> Reply:
        """Ask a workspace, by its customer id, in the Kusto language."""

    def token(self, audience: str | None = None) -> str:
        """Return a token for an audience, Resource Manager where None."""


class HttpAzure:
    """The real Azure."""

    def __init__(
        self,
        credential: TokenCredential,
        resource_manager: str,
        *,
        logs: str = LOGS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(base_url=resource_manager, policies=[])
        self._credential = credential
        self.manager = resource_manager
        self._logs = logs
        self._pause_seconds = pause_seconds

    def __enter__(self) -> HttpAzure:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def arm(self, method: str, path: str, version: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Ask Resource Manager."""
        url = path if path.startswith("https://") else f"{self.manager}{path}"
        if "api-version=" not in url:
            url += f"{'&' if '?' in url else '?'}api-version={version}"
        return self._send(method, url, {"Authorization": f"Bearer {self.token()}"}, body)

    def form(self, url: str, fields: Mapping[str, str]) -> Reply:
        """Post a form."""
        request = HttpRequest(
            "POST", url, content=urlencode(fields), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        return self._once(request)

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Read any URL."""
        return self._send("GET", url, headers, None)

    def query(self, workspace: str, text: str) -> Reply:
        """Ask a workspace."""
        token = self._credential.get_token(f"{self._logs}/.default").token
        url = f"{self._logs}/v1/workspaces/{workspace}/query"
        return self._send("POST", url, {"Authorization": f"Bearer {token}"}, {"query": text})

    def token(self, audience: str | None = None) -> str:
        """Return a token for an audience, Resource Manager where None."""
        return self._credential.get_token(f"{audience or self.manager}/.default").token

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> Reply:
        tries = READ_TRIES if method == "GET" else 1
        for left in reversed(range(tries)):
            try:
                return self._once(HttpRequest(method, url, headers=dict(headers), json=body))
            except (ServiceRequestError, ServiceResponseError) as error:
                if not left:
                    # The query of an address may hold a signature.
                    raise NotAnswered(f"{method} {url.partition('?')[0]} got no answer: {error.message}") from error
                time.sleep(self._pause_seconds)
        raise AssertionError("The loop returns or raises.")

    def _once(self, request: HttpRequest) -> Reply:
        response = self._client.send_request(request, connection_timeout=10, read_timeout=REQUEST_SECONDS)
        text = response.text() if response.content else ""
        try:
            body: Any = json.loads(text) if text else None
        except ValueError:
            body = text
        headers = {key.lower(): value for key, value in response.headers.items()}
        return Reply(body=body, headers=headers, status=response.status_code)
