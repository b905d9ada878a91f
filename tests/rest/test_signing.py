"""How requests are authorised: against known signatures, every form of connection string, and a flaky identity."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from pipeline_app.contract import ContractError, StorageConnection
from pipeline_app.rest.signing import (
    ASK_AGAIN_SECONDS,
    SCOPE,
    TOKEN_MARGIN_SECONDS,
    IdentityToken,
    SharedAccessSignature,
    SharedKey,
    TokenUnavailable,
    services,
)

KEY = base64.b64encode(b"key").decode()


def signed_text(monkeypatch: pytest.MonkeyPatch, use: Callable[[SharedKey], object]) -> str:
    """Return the text that is signed."""
    texts: list[bytes] = []

    def digest(key: bytes, text: bytes, algorithm: object) -> bytes:
        assert key == b"key"
        texts.append(text)
        return b"signature"

    with monkeypatch.context() as patch:
        patch.setattr("pipeline_app.rest.signing.hmac.digest", digest)
        use(SharedKey("testaccount", KEY))
    return texts[0].decode()


def test_the_signed_text_is_that_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    # Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    headers = {"Content-Length": "0", "x-ms-version": "2015-02-21", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT"}
    query = {"timeout": "20", "restype": "container", "comp": "metadata"}
    text = signed_text(monkeypatch, lambda key: key.sign("GET", "/mycontainer", query, headers))
    assert text == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/testaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
    )


def test_what_is_signed_has_every_header_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {
        "Content-Length": "11",
        "Content-Type": "text/plain",
        "If-Match": '"0x1"',
        "If-None-Match": "*",
        "X-Ms-Meta-B": "2",
        "x-ms-meta-a": "1",
        "x-ms-version": "2024-11-04",
    }
    query = {"Comp": "block", "blockid": "a+/="}
    text = signed_text(monkeypatch, lambda key: key.sign("PUT", "/account/c/a%20b", query, headers))
    assert text == (
        'PUT\n\n\n11\n\ntext/plain\n\n\n"0x1"\n*\n\n\nx-ms-meta-a:1\nx-ms-meta-b:2\nx-ms-version:2024-11-04\n'
        "/testaccount/account/c/a%20b\nblockid:a+/=\ncomp:block"
    )


def test_a_shared_key_signs_as_the_sdk_does() -> None:
    # The account and key are the emulator's well-known ones, and the SDK made the signature.
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    headers = {"x-ms-version": "2019-02-02", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT", "Content-Length": "5"}
    query = {"comp": "blocklist"}
    got, signed = SharedKey("devstoreaccount1", key).sign("PUT", "/devstoreaccount1/c/b", query, headers)
    assert got == query
    assert signed == {
        **headers,
        "Authorization": "SharedKey devstoreaccount1:coWhzvcOnn+W557Tb2vvnN2BEAyJ0YVvzU49ULNPSU8=",
    }
    assert not SharedKey("devstoreaccount1", key).renew()


def test_a_signature_is_passed_on_as_it_is() -> None:
    access = SharedAccessSignature("?sv=2024-11-04&se=2030-01-01T00%3A00%3A00Z&sig=a%2Bb/c+d%3D%3D&empty=")
    query, headers = access.sign("GET", "/c/b", {"comp": "list"}, {"a": "b"})
    assert query == {
        "comp": "list",
        "empty": "",
        "se": "2030-01-01T00:00:00Z",
        "sig": "a+b/c+d==",
        "sv": "2024-11-04",
    }
    assert headers == {"a": "b"}
    assert not access.renew()


def of(text: str) -> tuple[str, str, str]:
    blob, queue, authorization = services(StorageConnection(connection_string=text))
    return blob, queue, type(authorization).__name__


ACCOUNT = f"AccountName=acc;AccountKey={KEY}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"DefaultEndpointsProtocol=https;{ACCOUNT};EndpointSuffix=core.windows.net",
            ("https://acc.blob.core.windows.net", "https://acc.queue.core.windows.net", "SharedKey"),
        ),
        (ACCOUNT, ("https://acc.blob.core.windows.net", "https://acc.queue.core.windows.net", "SharedKey")),
        (
            f" defaultendpointsprotocol = http ; {ACCOUNT} ;ENDPOINTSUFFIX=core.chinacloudapi.cn; ",
            ("http://acc.blob.core.chinacloudapi.cn", "http://acc.queue.core.chinacloudapi.cn", "SharedKey"),
        ),
        (
            f"{ACCOUNT};BlobEndpoint=http://127.0.0.1:1/acc;QueueEndpoint=http://127.0.0.1:2/acc;",
            ("http://127.0.0.1:1/acc", "http://127.0.0.1:2/acc", "SharedKey"),
        ),
        (
            "BlobEndpoint=https://b/;QueueEndpoint=https://q/;SharedAccessSignature=sv=1&sig=a%3D",
            ("https://b/", "https://q/", "SharedAccessSignature"),
        ),
        (
            "AccountName=acc;SharedAccessSignature=?sig=a",
            ("https://acc.blob.core.windows.net", "https://acc.queue.core.windows.net", "SharedAccessSignature"),
        ),
    ],
)
def test_every_form_of_connection_string_is_understood(text: str, expected: tuple[str, str, str]) -> None:
    assert of(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rubbish", "neither AccountName and AccountKey nor SharedAccessSignature"),
        ("AccountName=acc", "neither AccountName and AccountKey nor SharedAccessSignature"),
        (f"AccountKey={KEY}", "neither AccountName and AccountKey nor SharedAccessSignature"),
        ("AccountName=acc;AccountKey=!secret!", "AccountKey of APP_STORAGE_CONNECTION is not base64"),
        ("BlobEndpoint=https://b;SharedAccessSignature=sig=secret", "neither QueueEndpoint nor AccountName"),
        ("QueueEndpoint=https://q;SharedAccessSignature=sig=secret", "neither BlobEndpoint nor AccountName"),
    ],
)
def test_an_incomplete_connection_string_is_refused_without_telling_it(text: str, reason: str) -> None:
    with pytest.raises(ContractError, match=reason) as raised:
        of(text)
    assert "secret" not in str(raised.value)
    assert KEY not in str(raised.value)


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
