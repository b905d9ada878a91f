"""The function's code is deployed by one call, tried again while a role comes into force, with nothing secret kept."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest, HttpResponse

from infra.one_deploy import OneDeployProvider
from infra.package_deploy import DeployError, PassingDeployError, deploy_through, signed_url

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/artifacts"
APP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app"
KEY = base64.b64encode(b"the account's key").decode()
PACKAGE = "https://artifacts.blob.core.windows.net/function-packages/uploads/0123.zip"
Answer = tuple[int, dict[str, Any]]


class Arm(ThreadingHTTPServer):
    """Azure Resource Manager as far as a deployment sees it; ``answers`` are given one by one after the keys."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), ArmHandler)
        self.answers = answers
        self.calls: list[tuple[str, str, dict[str, Any]]] = []


class ArmHandler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        arm = cast("Arm", self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        arm.calls.append((self.command, path, json.loads(body) if body else {}))
        keys = path == f"{ACCOUNT}/listKeys"
        status, value = (200, {"keys": [{"value": KEY}]}) if keys else arm.answers.pop(0)
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers() -> list[Answer]:
    return []


@pytest.fixture
def arm(answers: list[Answer]) -> Iterator[Arm]:
    with Arm(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def props(arm: Arm) -> dict[str, Any]:
    return {
        "app_id": APP,
        "blob_url": PACKAGE,
        "package_sha256": "0123",
        "resource_manager": f"http://127.0.0.1:{arm.server_port}",
        "storage_account_id": ACCOUNT,
    }


def run(arm: Arm, retry_seconds: float = 5.0) -> None:
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(props(arm)["resource_manager"], policies=[])
    with client:
        deploy_through(client, props(arm), poll_seconds=0.01, retry_seconds=retry_seconds)


def test_the_package_is_handed_over_as_a_read_only_address_without_a_build(arm: Arm, answers: list[Answer]) -> None:
    answers.append((200, {"properties": {"id": "d", "status": 4}}))
    run(arm)
    (_, put) = arm.calls
    assert put[:2] == ("PUT", f"{APP}/extensions/onedeploy")
    package = put[2]["properties"].pop("packageUri")
    assert put[2] == {"properties": {"remoteBuild": False}}
    assert package.startswith(f"{PACKAGE}?")
    query = parse_qs(urlsplit(package).query)
    assert (query["sp"], query["spr"], query["sr"]) == (["r"], ["https"], ["b"])
    assert KEY not in package


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429, 500, 503])
def test_an_answer_that_may_pass_is_tried_again(arm: Arm, answers: list[Answer], status: int) -> None:
    answers += [(status, {"error": {}}), (status, {"error": {}}), (200, {})]
    run(arm)
    assert [call[0] for call in arm.calls] == ["POST", "PUT"] * 3


@pytest.mark.parametrize("status", [401, 405, 422])
def test_a_refusal_for_good_is_told_at_once_and_without_the_signature(
    arm: Arm, answers: list[Answer], status: int
) -> None:
    answers.append((status, {"error": {"message": "not like this"}}))
    with pytest.raises(DeployError, match="not like this") as caught:
        run(arm)
    assert not isinstance(caught.value, PassingDeployError)
    assert "sig=" not in str(caught.value)
    assert len(arm.calls) == 2


def test_a_deployment_that_goes_on_is_watched_to_its_end(arm: Arm, answers: list[Answer]) -> None:
    answers += [(202, {"properties": {"id": "d1", "status": status}}) for status in (0, 1, 2, 4)]
    run(arm)
    assert [call[:2] for call in arm.calls[2:]] == [("GET", f"{APP}/deployments/d1")] * 3


def test_a_deployment_that_fails_is_made_again_since_the_platform_may_lack_its_role(
    arm: Arm, answers: list[Answer]
) -> None:
    failed = {"properties": {"id": "d1", "status": 3, "status_text": "Forbidden"}}
    answers += [(202, failed), (202, {"properties": {"id": "d2", "status": 4}})]
    run(arm)
    assert [call[0] for call in arm.calls] == ["POST", "PUT", "POST", "PUT"]


def test_a_failure_that_stays_is_told_with_its_reason(arm: Arm, answers: list[Answer]) -> None:
    answers += [(200, {"properties": {"status": 3, "status_text": "Storage said Forbidden"}})] * 500
    with pytest.raises(DeployError, match="Storage said Forbidden"):
        run(arm, retry_seconds=0.2)


def test_a_signature_lives_for_minutes() -> None:
    now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    query = parse_qs(urlsplit(signed_url(PACKAGE, KEY, now)).query)
    assert (query["st"], query["se"]) == (["2026-01-31T11:55:00Z"], ["2026-01-31T12:30:00Z"])


def test_only_a_new_package_or_a_new_app_deploys() -> None:
    provider = OneDeployProvider()
    old = {"app_id": "a", "blob_url": "u", "package_sha256": "1"}
    assert provider.diff("id", old, old | {"blob_url": "v"}).changes is False
    update = provider.diff("id", old, old | {"package_sha256": "2"})
    assert (update.changes, update.replaces) == (True, [])
    replace = provider.diff("id", old, old | {"app_id": "b"})
    assert (replace.changes, replace.replaces) == (True, ["app_id"])


def test_what_is_kept_of_a_deployment_is_what_was_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.package_deploy.deploy", lambda _props: None)
    declared = {"app_id": APP, "package_sha256": "1"}
    assert OneDeployProvider().create(declared).outs == declared
    assert OneDeployProvider().update("id", {}, declared).outs == declared
