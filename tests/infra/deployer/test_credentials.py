"""The deployer signs in as the provider does: by its token while that lives, else by the provider's own settings."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.identity as identity
import pytest
from azure.core.credentials import AccessToken
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from infra.deployer.credentials import (
    CredentialError,
    DeployerSignIn,
    HandedToken,
    provider_credential,
    request_assertion,
)
from tests.engine.standin.sign_in import Principal, provider_principal, token_of
from tests.infra.azure import DEPLOYER

GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/?a=b"}
IDENTITY = {"ARM_CLIENT_ID": "client", "ARM_TENANT_ID": "11111111-2222-3333-4444-555555555555"}
METHODS = {
    "certificate": identity.CertificateCredential,
    "cli": identity.AzureCliCredential,
    "default": identity.DefaultAzureCredential,
    "msi": identity.ManagedIdentityCredential,
    "oidc": identity.ClientAssertionCredential,
    "secret": identity.ClientSecretCredential,
}
OIDC = {"ARM_OIDC_TOKEN": "token", "ARM_USE_OIDC": "true"}
CERTIFICATE = {"ARM_CLIENT_CERTIFICATE_PATH": "{certificate}"}
SECRET = {"ARM_CLIENT_SECRET": "secret"}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of an application's certificate with its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "deployer")])
    now = datetime.now(UTC)
    made = (x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))).sign(
        key, hashes.SHA256()
    )
    path = tmp_path_factory.mktemp("certificate") / "deployer.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return str(path)


def nothing_set(_key: str) -> None:
    """Return what a stack sets that sets nothing of the provider."""


@pytest.mark.parametrize(
    ("config", "environment", "method"),
    [
        ({}, {}, "cli"),
        ({}, IDENTITY, "cli"),
        ({}, {"ARM_USE_OIDC": "false"}, "cli"),
        # The provider compares with the word alone.
        ({}, IDENTITY | OIDC | {"ARM_USE_OIDC": "1"}, "cli"),
        # What azure-identity's own variables say does not count.
        ({}, {"AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "t"}, "cli"),
        ({}, IDENTITY | SECRET, "secret"),
        ({}, IDENTITY | CERTIFICATE, "certificate"),
        ({}, IDENTITY | GITHUB | {"ARM_USE_OIDC": "true"}, "oidc"),
        ({}, IDENTITY | OIDC, "oidc"),
        ({}, IDENTITY | {"ARM_OIDC_TOKEN_FILE_PATH": "/token", "ARM_USE_OIDC": "true"}, "oidc"),
        ({}, IDENTITY | {"ARM_USE_MSI": "true"}, "msi"),
        ({}, {"ARM_USE_MSI": "true"}, "msi"),
        ({}, {"ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true"}, "default"),
        # Several at once: the provider's order decides.
        ({}, IDENTITY | SECRET | OIDC, "secret"),
        ({}, IDENTITY | SECRET | CERTIFICATE, "certificate"),
        ({}, IDENTITY | CERTIFICATE | OIDC, "certificate"),
        ({}, IDENTITY | OIDC | {"ARM_USE_MSI": "true"}, "oidc"),
        ({}, IDENTITY | SECRET | {"ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true"}, "default"),
        # What the stack sets wins over the environment, also where it says no.
        ({"clientSecret": "secret"}, IDENTITY, "secret"),
        ({"clientCertificatePath": "{certificate}"}, IDENTITY | SECRET, "certificate"),
        ({"useOidc": "false"}, IDENTITY | OIDC, "cli"),
        ({"clientSecret": ""}, IDENTITY | SECRET | OIDC, "oidc"),
        ({"oidcToken": "token", "useOidc": "true"} | {"clientId": "c", "tenantId": "t"}, {}, "oidc"),
        ({"useMsi": "true"}, {}, "msi"),
    ],
)
def test_of_several_sign_ins_the_providers_is_taken(
    certificate: str, config: dict[str, str], environment: dict[str, str], method: str
) -> None:
    config, environment = (
        {key: value.format(certificate=certificate) for key, value in values.items()}
        for values in (config, environment)
    )
    assert type(provider_credential(config.get, environment)) is METHODS[method]
    assert provider_principal(config, environment).method == method


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        (OIDC, "azure-native:clientId .or ARM_CLIENT_ID., azure-native:tenantId .or ARM_TENANT_ID."),
        (IDENTITY | {"ARM_USE_OIDC": "true"}, "ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ({"ARM_CLIENT_ID": "client", "ARM_CLIENT_SECRET": "secret"}, "azure-native:tenantId"),
        ({"ARM_CLIENT_CERTIFICATE_PATH": "/cert", "ARM_TENANT_ID": "tenant"}, "azure-native:clientId"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(CredentialError, match=missing):
        provider_credential(nothing_set, environment)


def test_a_file_with_the_identity_token_is_read_anew_at_each_sign_in(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first", encoding="utf-8")
    settings = IDENTITY | {"ARM_OIDC_TOKEN_FILE_PATH": str(file), "ARM_USE_OIDC": "true"}
    credential: Any = provider_credential(nothing_set, settings)
    assert credential._func() == "first"
    file.write_text("second", encoding="utf-8")
    assert credential._func() == "second"


class Directory:
    """Signs in as one principal, and counts."""

    def __init__(self, principal: Principal) -> None:
        self.asked = 0
        self.principal = principal

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        self.asked += 1
        return AccessToken(token_of(self.principal), 0)


def test_the_providers_token_is_used_while_it_lives_and_nobody_signs_in() -> None:
    directory, token = Directory(DEPLOYER), token_of(DEPLOYER)
    sign_in = DeployerSignIn(lambda: directory)
    sign_in.hand_over(token)
    assert sign_in.get_token("scope").token == token
    assert directory.asked == 0


@pytest.mark.parametrize("handed", [None, 30])
def test_without_a_token_that_lives_the_providers_settings_sign_in(handed: float | None) -> None:
    """A deletion or a refresh runs without the program, and a token may run out while a deployment waits."""
    directory = Directory(DEPLOYER)
    sign_in = DeployerSignIn(lambda: directory)
    if handed is not None:
        sign_in.hand_over(token_of(DEPLOYER, seconds=handed))
    assert sign_in.get_token("scope").token
    assert directory.asked == 1


def test_nobody_else_goes_on_with_what_the_provider_began() -> None:
    sign_in = DeployerSignIn(lambda: Directory(Principal("cli", "somebody else")))
    sign_in.hand_over(token_of(DEPLOYER, seconds=30))
    with pytest.raises(CredentialError, match=r"signed in as .* now sign in as .*Run pulumi up again"):
        sign_in.get_token("scope")


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.WzFd.c", ""])
def test_a_token_that_says_nothing_of_itself_is_used_for_the_least_that_it_lives(token: str) -> None:
    credential = HandedToken(token)
    assert credential.principal is None
    assert 0 < credential.get_token().expires_on - datetime.now(UTC).timestamp() <= 300


def test_github_is_asked_for_a_token_for_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def urlopen(request: Any, timeout: float) -> io.BytesIO:
        asked.append((request.full_url, request.get_header("Authorization"), timeout))
        return io.BytesIO(json.dumps({"value": "assertion"}).encode())

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert request_assertion("https://token.example/?a=b", "bearer") == "assertion"
    assert asked == [
        ("https://token.example/?a=b&audience=api%3A%2F%2FAzureADTokenExchange", "Bearer bearer", 30),
    ]


@pytest.mark.parametrize("answer", [{}, {"value": ""}, []])
def test_an_answer_without_a_token_is_told_with_the_permission(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda _request, timeout: io.BytesIO(json.dumps(answer).encode()))
    with pytest.raises(CredentialError, match="id-token: write"):
        request_assertion("https://token.example", "bearer")


def test_the_token_is_asked_for_over_https_only() -> None:
    with pytest.raises(CredentialError, match="https://"):
        request_assertion("http://token.example", "bearer")
