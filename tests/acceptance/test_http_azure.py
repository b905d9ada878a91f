"""What goes over the wire to Azure, and what becomes of its answers."""

from __future__ import annotations

import json
import time

import pytest
from azure.core.credentials import AccessToken

from infra.acceptance.asking import NotAnswered
from infra.acceptance.azure import HttpAzure, Reply
from tests.rest.scripted import Act, Service, reply, serving


class Credential:
    """Gives a token that names its scope."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken(f"token-for-{scopes[0]}", int(time.time()) + 3600)


def azure_of(service: Service) -> HttpAzure:
    """Return Azure at a service on loopback."""
    address = f"http://127.0.0.1:{service.port}"
    return HttpAzure(Credential(), address, logs=address, pause_seconds=0)


@pytest.fixture
def refusal() -> bytes:
    """An answer that refuses."""
    body = json.dumps({"error": {"code": "ContainerGroupTransitioning", "message": "still transitioning"}}).encode()
    return reply(409, body, "Date: Sat, 31 Jan 2026 12:00:00 GMT")


def test_a_request_has_token_and_version_and_a_refusal_is_an_answer(refusal: bytes) -> None:
    with serving([Act(answer=refusal)]) as service, azure_of(service) as azure:
        answer = azure.arm("POST", "/subscriptions/s/g/start", "2023-05-01")
    seen = service.seen[0]

    assert (seen.method, seen.url) == ("POST", "/subscriptions/s/g/start?api-version=2023-05-01")
    assert seen.headers["authorization"] == f"Bearer token-for-http://127.0.0.1:{service.port}/.default"
    assert (answer.told, answer.message, answer.ok) == ("409 ContainerGroupTransitioning", "still transitioning", False)
    assert answer.when == 1769860800
    with pytest.raises(NotAnswered, match="Starting was answered with 409 ContainerGroupTransitioning: still"):
        answer.value("Starting")


def test_a_body_is_sent_as_json_and_a_version_in_the_address_is_kept() -> None:
    answers = [Act(answer=reply(201, b'{"id": "x"}')), Act(answer=reply(200, b"plain"))]
    with serving(answers) as service, azure_of(service) as azure:
        made = azure.arm("PUT", "/x", "2023-05-01", {"location": "westeurope"})
        url = f"http://127.0.0.1:{service.port}/operations/1?api-version=2020-01-01"
        read = azure.get(url, {"Accept": "text/plain"})
    assert json.loads(service.seen[0].body) == {"location": "westeurope"}
    assert service.seen[0].headers["content-type"] == "application/json"
    assert made.value("Making") == {"id": "x"}
    assert service.seen[1].url == "/operations/1?api-version=2020-01-01"
    assert (read.body, read.code, read.message) == ("plain", "", "")


def test_reading_survives_a_broken_connection_and_acting_is_never_done_twice() -> None:
    with serving([Act(reset=True), Act(answer=reply(200, b"{}"))]) as service, azure_of(service) as azure:
        assert azure.arm("GET", "/x", "2023-05-01").ok
    with serving([Act(reset=True), Act(answer=reply(202))]) as service, azure_of(service) as azure:
        with pytest.raises(NotAnswered, match="got no answer"):
            azure.arm("POST", "/x/start", "2023-05-01")
        assert len(service.seen) == 1


def test_throttling_is_an_answer_and_not_waited_out() -> None:
    with serving([Act(answer=reply(429, b"{}", "Retry-After: 600"))]) as service, azure_of(service) as azure:
        assert azure.arm("POST", "/x/start", "2023-05-01").status == 429


def test_a_query_goes_to_the_workspace_and_a_form_carries_no_token() -> None:
    answers = [Act(answer=reply(200, b'{"tables": []}')), Act(answer=reply(200, b'{"refresh_token": "r"}'))]
    with serving(answers) as service, azure_of(service) as azure:
        azure.query("customer-1", "AppTraces | count")
        azure.form(f"http://127.0.0.1:{service.port}/oauth2/exchange", {"grant_type": "access_token", "service": "a b"})
    query, form = service.seen

    assert query.url == "/v1/workspaces/customer-1/query"
    assert json.loads(query.body) == {"query": "AppTraces | count"}
    assert query.headers["authorization"].startswith("Bearer ")
    assert "authorization" not in form.headers
    assert form.body == b"grant_type=access_token&service=a+b"


def test_a_token_is_for_resource_manager_or_for_whom_it_is_asked() -> None:
    azure = HttpAzure(Credential(), "https://management.example")

    assert azure.token() == "token-for-https://management.example/.default"
    assert azure.token("https://other.example") == "token-for-https://other.example/.default"


def test_an_answer_without_a_date_is_of_now() -> None:
    assert abs(Reply(status=200).when - time.time()) < 60
