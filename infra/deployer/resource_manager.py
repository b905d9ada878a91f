"""Calls of Azure Resource Manager that no provider makes, with the errors that may pass apart from those that stay."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

KEYS_VERSION: Final = "2023-05-01"
QUOTED_CHARACTERS: Final = 1000

# Resource Manager throttles, and is told of a role of the deployer's own a little late.
PASSING_SECONDS: Final = 60.0

# A role that was assigned a moment ago answers like a missing one, and a site made a moment ago like an absent one.
PASSING_STATUS: Final = frozenset({400, 403, 404, 408, 409, 429})

# A signature in an answer that repeats the request.
SIGNATURE: Final = re.compile(r"(?<=sig=)[^&\s\"'\\]+")


Result = TypeVar("Result")


class RefusedError(RuntimeError):
    """Azure refused a request for good; the text holds its answer."""


class PassingError(RefusedError):
    """Azure refused a request for a reason that may pass by itself.

    Attributes:
        retry_after: how many seconds Azure asks to wait, 0 where it does not say.
        status: of the answer, or None where there was an answer and it said so itself.
    """

    def __init__(self, text: str, *, retry_after: float = 0, status: int | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.status = status


# What is raised for a reason that may pass: Azure refused for one, or did not answer.
PASSING: Final = (PassingError, ServiceRequestError, ServiceResponseError)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Azure answered: the body is empty where it was no JSON object."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    status: int


class ResourceManager:
    """Azure Resource Manager at ``host``, such as ``https://management.azure.com``, through a client that signs in.

    ``date`` is the time of the last answer by Azure's own clock, or None where there was none or it did not say.
    """

    def __init__(self, client: PipelineClient[HttpRequest, HttpResponse], host: str) -> None:
        self._client = client
        self.date: datetime | None = None
        self.host = host

    def account_key(self, account_id: str) -> str:
        """Return a storage account's first key as it is now; it is asked for each time, so that a rotation is no event.

        Raises:
            RefusedError: the deployer may not list the keys, or the account is not there (a passing one of status 404).
        """
        answer = self.send("POST", f"{account_id}/listKeys?api-version={KEYS_VERSION}")
        return str(answer.body["keys"][0]["value"])

    def send(self, method: str, target: str, body: dict[str, Any] | None = None) -> Answer:
        """Send a request and return its answer.

        Args:
            method: of HTTP.
            target: the path, which begins with a slash, and the query; or the whole address on the same host.
            body: sent as JSON.

        Raises:
            RefusedError: the answer is an error, :class:`PassingError` where it may pass.
            azure.core.exceptions.AzureError: there is no answer, or the sign-in failed.
        """
        url = target if target.startswith(f"{self.host}/") else f"{self.host}{target}"
        response = self._client.send_request(HttpRequest(method, url, json=body))
        self.date = _time(response.headers.get("Date", ""))
        if response.status_code < 400:
            return Answer(body=_object(response), headers=response.headers, status=response.status_code)
        # The address of a package is signed, so the body of the request is not quoted.
        path = url.removeprefix(self.host).partition("?")[0]
        said = SIGNATURE.sub("…", response.text()[:QUOTED_CHARACTERS])
        text = f"{method} {path} answered {response.status_code}: {said or 'nothing'}"
        if response.status_code in PASSING_STATUS or response.status_code >= 500:
            raise PassingError(text, retry_after=_retry_after(response.headers), status=response.status_code)
        raise RefusedError(text)


@contextmanager
def connected(credential: TokenCredential, host: str) -> Iterator[ResourceManager]:
    """Give an Azure Resource Manager that is signed in to by a credential."""
    policy = ARMChallengeAuthenticationPolicy(credential, f"{host}/.default")
    client: ARMPipelineClient[HttpRequest, HttpResponse] = ARMPipelineClient(base_url=host, policies=[policy])
    with client:
        yield ResourceManager(client, host)


def patiently(call: Callable[[], Result]) -> Result:
    """Return what a call that changes nothing returns, tried for a minute while what keeps it from it may pass.

    Raises:
        PassingError: the reason did not pass, or what is asked about is not there (status 404), which is said at once.
        RefusedError: it is refused for good.
        azure.core.exceptions.AzureError: there was no answer for the whole minute, or the sign-in failed.
    """
    return Retrying(
        reraise=True,
        retry=retry_if_exception(_may_pass),
        stop=stop_after_delay(PASSING_SECONDS),
        wait=wait_fixed(2),
    )(call)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, PassingError):
        return error.status != 404
    return isinstance(error, (ServiceRequestError, ServiceResponseError))


def _object(response: HttpResponse) -> Mapping[str, Any]:
    try:
        value = response.json() if response.content else {}
    except ValueError:
        # Kudu answers some calls with the bare id of a deployment.
        return {}
    return value if isinstance(value, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    if re.fullmatch(r"\d+", text):
        return float(text)
    when = _time(text)
    return max(0.0, (when - datetime.now(UTC)).total_seconds()) if when else 0.0


def _time(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
