"""The question for the REST client, asked of a real storage service and of one that refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import ContainerClient

from infra.acceptance.asking import ask
from infra.acceptance.questions.rest_client import QUESTION
from infra.acceptance.site import Site, UserToken
from infra.acceptance.storage import open_account
from pipeline_app.contract import StorageConnection, StorageNames
from pipeline_app.rest.endpoint import Endpoint
from pipeline_app.rest.signing import services
from tests.acceptance.conftest import Play, make_play
from tests.rest.scripted import Act, reply, serving

Rest = Callable[[], tuple[Endpoint, Endpoint]]


@pytest.fixture
def real(connection_string: str) -> Iterator[Play]:
    """The stand-in, with a real storage account and the REST client on it."""
    names = StorageNames(container="acceptance-rest-files", input_path="incoming", output_path="outgoing")
    blob, queue, signer = services(StorageConnection(connection_string=connection_string))
    container = ContainerClient.from_connection_string(connection_string, names.container)
    container.create_container()
    play = make_play(lambda: (Endpoint(blob, signer), Endpoint(queue, signer)))
    with open_account(connection_string, names, None) as account:
        play.site = _with(play.site, account=account)
        yield play
    with container:
        container.delete_container()


def test_a_round_trip_over_the_real_client_is_as_expected(real: Play) -> None:
    answer = ask(QUESTION, real.site)

    assert answer.verdict == "as expected", answer.seen
    assert answer.seen == "put, get, list, delete, queue put, queue count: all went well."
    # The roles that it gave are taken back.
    assert real.azure.assignments == {}


def test_a_role_that_is_not_in_force_yet_is_waited_for(play: Play) -> None:
    refused = reply(403, b"<Error><Code>AuthorizationPermissionMismatch</Code></Error>")
    listing = (
        b"<EnumerationResults><Blobs><Blob><Name>acceptance/a b\xc3\xbc.csv</Name><Properties>"
        b"<Last-Modified>Sat, 31 Jan 2026 12:00:00 GMT</Last-Modified></Properties></Blob></Blobs></EnumerationResults>"
    )
    blobs = [refused, refused, reply(201), reply(200, b"a,b\n1,2\n"), reply(200, listing), reply(202)]
    dated = "Date: Sat, 31 Jan 2026 12:00:00 GMT"
    queues = [reply(201), reply(200, b"", "x-ms-approximate-messages-count: 1", dated)]
    with (
        serving([Act(answer=each) for each in blobs]) as blob,
        serving([Act(answer=each) for each in queues]) as queue,
    ):
        play.site = _with(play.site, rest=_tokens(blob.port, queue.port))
        answer = ask(QUESTION, play.site)
    assert answer.verdict == "as expected", answer.seen
    # The worker's own client has sent the signed-in person's token.
    assert {each.headers["authorization"] for each in [*blob.seen, *queue.seen]} == {"Bearer storage-token"}


def test_a_token_that_the_service_refuses_is_told(play: Play) -> None:
    refused = reply(401, b"", "x-ms-error-code: InvalidAuthenticationInfo")
    with serving([Act(answer=refused)] * 4) as blob, serving([Act(answer=refused)] * 2) as queue:
        play.site = _with(play.site, rest=_tokens(blob.port, queue.port))
        answer = ask(QUESTION, play.site)
    assert answer.verdict == "otherwise"
    assert "put: HTTP 401 InvalidAuthenticationInfo" in answer.seen
    assert play.azure.assignments == {}
    assert play.account.queues == {}


def test_a_count_that_is_wrong_is_told(real: Play) -> None:
    before = real.site.account.make_queue

    def with_a_message(name: str) -> None:
        before(name)
        _, queues = real.site.rest()
        queues.call("POST", f"{name}/messages", None, {}, b"<QueueMessage><MessageText>x</MessageText></QueueMessage>")
        queues.close()

    real.site.account.make_queue = with_a_message  # type: ignore[method-assign]
    answer = ask(QUESTION, real.site)

    assert answer.verdict == "otherwise"
    assert "queue count: the queue counts 2" in answer.seen


class Credential:
    """Gives a token for storage."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        return AccessToken("storage-token", int(time.time()) + 3600)


def _tokens(blob_port: int, queue_port: int) -> Rest:
    signer = UserToken(Credential())
    return lambda: (
        Endpoint(f"http://127.0.0.1:{blob_port}", signer, 0),
        Endpoint(f"http://127.0.0.1:{queue_port}", signer, 0),
    )


def _with(site: Site, **parts: object) -> Site:
    return replace(site, **parts)  # type: ignore[arg-type]
