"""The deployer signs in the way the environment says, as the provider does."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from azure.identity import ClientAssertionCredential, ClientSecretCredential, DefaultAzureCredential

from infra.credentials import CredentialError, deployer_credential, github_assertion

IDENTITY = {"ARM_CLIENT_ID": "client", "ARM_TENANT_ID": "11111111-2222-3333-4444-555555555555"}
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/?a=b"}


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, DefaultAzureCredential),
        ({"ARM_USE_OIDC": "false"}, DefaultAzureCredential),
        (IDENTITY | GITHUB | {"ARM_USE_OIDC": "true"}, ClientAssertionCredential),
        (IDENTITY | {"ARM_OIDC_TOKEN": "token", "ARM_USE_OIDC": "true"}, ClientAssertionCredential),
        (IDENTITY | {"ARM_CLIENT_SECRET": "secret"}, ClientSecretCredential),
        (IDENTITY | GITHUB | {"ARM_CLIENT_SECRET": "secret", "ARM_USE_OIDC": "1"}, ClientAssertionCredential),
    ],
)
def test_the_environment_chooses_the_credential(environment: dict[str, str], kind: type) -> None:
    assert type(deployer_credential(environment)) is kind


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"ARM_USE_OIDC": "true"}, "ARM_TENANT_ID, ARM_CLIENT_ID"),
        (IDENTITY | {"ARM_USE_OIDC": "true"}, "ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ({"ARM_CLIENT_ID": "client", "ARM_CLIENT_SECRET": "secret"}, "ARM_TENANT_ID"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(CredentialError, match=missing):
        deployer_credential(environment)


def test_github_is_asked_for_a_token_for_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def urlopen(request: Any, timeout: float) -> io.BytesIO:
        asked.append((request.full_url, request.get_header("Authorization"), timeout))
        return io.BytesIO(json.dumps({"value": "assertion"}).encode())

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert github_assertion("https://token.example/?a=b", "bearer") == "assertion"
    assert asked == [
        ("https://token.example/?a=b&audience=api%3A%2F%2FAzureADTokenExchange", "Bearer bearer", 30),
    ]


@pytest.mark.parametrize("answer", [{}, {"value": ""}, []])
def test_an_answer_without_a_token_is_told_with_the_permission(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda _request, timeout: io.BytesIO(json.dumps(answer).encode()))
    with pytest.raises(CredentialError, match="id-token: write"):
        github_assertion("https://token.example", "bearer")


def test_the_token_is_asked_for_over_https_only() -> None:
    with pytest.raises(CredentialError, match="https://"):
        github_assertion("http://token.example", "bearer")
