"""How requests are authorised: against known signatures, every form of connection string, and a flaky identity."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from pipeline_app.contract import ContractError, StorageConnection
from pipeline_app.rest.signing import (
    SharedAccessSignature,
    SharedKey,
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
