"""An identity's token: asked for once, kept while it is good, and asked for again where it could not be had."""

from __future__ import annotations

import threading
import time

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from pipeline_app.contract import StorageConnection
from pipeline_app.rest.signing import (
    ASK_AGAIN_SECONDS,
    SCOPE,
    TOKEN_MARGIN_SECONDS,
    IdentityToken,
    TokenUnavailable,
    services,
)


class Credential:
    """Stands for the identity library's credential; each has a cache of its own, as the real one has."""

    made: list[Credential]
    answers: list[AccessToken | Exception]

    def __init__(self, *, client_id: str) -> None:
        assert client_id == "id"
        self.made.append(self)
        self._cached: AccessToken | None = None

    def get_token(self, scope: str) -> AccessToken:
        assert scope == SCOPE == "https://storage.azure.com/.default"
        if self._cached and self._cached.expires_on - 300 > time.time():
            return self._cached
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self._cached = answer
        return answer


@pytest.fixture
def credential(monkeypatch: pytest.MonkeyPatch) -> type[Credential]:
    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", Credential)
    Credential.made, Credential.answers = [], []
    return Credential


def token(text: str, seconds: float) -> AccessToken:
    return AccessToken(text, int(time.time() + seconds))


def bearer(identity: IdentityToken) -> str:
    query, headers = identity.sign("GET", "/x", {"a": "b"}, {"c": "d"})
    assert query == {"a": "b"}
    assert headers["c"] == "d"
    return headers["Authorization"]


def test_the_identity_is_asked_once_for_many_requests_of_many_threads(credential: type[Credential]) -> None:
    credential.answers = [token("one", 3600), token("two", 3600)]
    blob, queue, identity = services(
        StorageConnection(blob_service_uri="https://b", queue_service_uri="https://q", client_id="id")
    )
    assert (blob, queue) == ("https://b", "https://q")
    assert isinstance(identity, IdentityToken)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(bearer(identity))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["Bearer one"] * 8


def test_a_token_is_replaced_before_it_ends(credential: type[Credential]) -> None:
    credential.answers = [token("one", TOKEN_MARGIN_SECONDS - 1), token("two", TOKEN_MARGIN_SECONDS + 60)]
    identity = IdentityToken("id")
    assert [bearer(identity) for _ in range(3)] == ["Bearer one", "Bearer two", "Bearer two"]


def test_a_token_that_the_service_does_not_know_is_not_taken_from_a_cache(credential: type[Credential]) -> None:
    credential.answers = [token("one", 3600), token("two", 3600)]
    identity = IdentityToken("id")
    assert bearer(identity) == "Bearer one"
    assert identity.renew()
    assert bearer(identity) == "Bearer two"


FAILURES = [
    ClientAuthenticationError(message="not yet"),
    CredentialUnavailableError(message="not yet"),
    ServiceRequestError(message="not yet"),
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list with the present moment of the monotonic clock, which stands still."""
    moment = [1000.0]
    monkeypatch.setattr("pipeline_app.rest.signing.time.monotonic", lambda: moment[0])
    return moment


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_an_identity_that_is_not_there_yet_is_asked_again_after_half_a_minute(
    credential: type[Credential], failure: Exception, clock: list[float]
) -> None:
    credential.answers = [failure, failure, token("one", 3600)]
    identity = IdentityToken("id")
    for left in (2, 1):
        for _ in range(5):
            with pytest.raises(TokenUnavailable, match="not yet"):
                bearer(identity)
            assert len(credential.answers) == left
            clock[0] += ASK_AGAIN_SECONDS / 6
        clock[0] += ASK_AGAIN_SECONDS / 6
    assert bearer(identity) == "Bearer one"


def test_a_token_is_used_to_its_end_while_there_is_no_other(credential: type[Credential], clock: list[float]) -> None:
    """And each request asks for no other, as the endpoint, being ill, would take a minute each time to say no."""
    credential.answers = [token("one", 60), FAILURES[0], token("two", -1), FAILURES[0]]
    identity = IdentityToken("id")
    assert [bearer(identity) for _ in range(20)] == ["Bearer one"] * 20
    assert len(credential.answers) == 2
    clock[0] += ASK_AGAIN_SECONDS
    assert bearer(identity) == "Bearer two"
    with pytest.raises(TokenUnavailable):
        bearer(identity)


def test_who_has_a_good_token_does_not_wait_for_who_asks_for_the_next(
    credential: type[Credential], monkeypatch: pytest.MonkeyPatch
) -> None:
    credential.answers = [token("one", 60), token("two", 3600)]
    identity = IdentityToken("id")
    assert bearer(identity) == "Bearer one"
    asked, answered = threading.Event(), threading.Event()
    get_token = credential.get_token

    def slowly(self: Credential, scope: str) -> AccessToken:
        asked.set()
        assert answered.wait(10)
        return get_token(self, scope)

    monkeypatch.setattr(credential, "get_token", slowly)
    got: list[str] = []
    first = threading.Thread(target=lambda: got.append(bearer(identity)))
    first.start()
    assert asked.wait(10)
    assert bearer(identity) == "Bearer one"
    answered.set()
    first.join()
    assert (got, bearer(identity)) == (["Bearer two"], "Bearer two")


def test_a_refused_token_is_asked_for_anew_at_once_whatever_failed_before(credential: type[Credential]) -> None:
    credential.answers = [FAILURES[0], token("one", 3600)]
    identity = IdentityToken("id")
    with pytest.raises(TokenUnavailable):
        bearer(identity)
    assert identity.renew()
    assert bearer(identity) == "Bearer one"
