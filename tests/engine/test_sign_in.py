"""Whatever the provider signs in by, the program's own resources do all they do as the same principal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.deployment import Deployment, NewSite

CLIENT = "22222222-0000-0000-0000-000000000000"
OIDC = {"ARM_CLIENT_SECRET": "", "ARM_USE_OIDC": "true"}
REQUEST = {
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "invented",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.actions.githubusercontent.com/request?api-version=2.0",
}


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A stack that was deployed by a secret."""
    deployment = new_site("sign-in").deployment()
    deployment.up()
    return deployment


def edited(deployment: Deployment, text: str) -> None:
    """Edit what both kinds of the program's own resources bring to Azure."""
    project: Path = deployment.site.project
    with (project / "function" / "pipeline_function" / "handlers.py").open("a", encoding="utf-8") as file:
        file.write(f"\n# {text}\n")
    (project / "pipeline_app" / "config" / "runtime.json").write_text(
        f'{{"args": ["{{input}}", "{{output}}", "{text}"]}}', encoding="utf-8"
    )


def use(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Run the engine with these variables, for one test."""
    for name, value in variables.items():
        monkeypatch.setitem(deployment.site.environment, name, value)
        monkeypatch.setitem(deployment._stack.workspace.env_vars, name, value)


@pytest.mark.parametrize(
    ("variables", "principal"),
    [
        ({"ARM_CLIENT_CERTIFICATE_PATH": "/no/such/certificate.pfx"}, "certificate"),
        ({"ARM_CLIENT_SECRET": ""}, "cli"),
        ({"ARM_CLIENT_SECRET": "", "ARM_USE_MSI": "true"}, "msi"),
        (OIDC | {"ARM_OIDC_TOKEN_FILE_PATH": "/no/such/token"}, "oidc"),
        (OIDC | REQUEST, "oidc"),
        ({"ARM_OIDC_TOKEN": "token", "ARM_USE_OIDC": "true"}, "secret"),
    ],
    ids=["certificate", "cli", "managed-identity", "oidc-file", "oidc-request", "secret-before-oidc"],
)
def test_an_update_takes_the_providers_own_token(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    variables: dict[str, str],
    principal: str,
) -> None:
    """Azure refuses every other principal here, and nobody signs in beside the provider."""
    use(deployment, monkeypatch, variables)
    edited(deployment, request.node.name)
    deployment.site.cloud.take_log()
    up = deployment.up()

    assert up.changes.keys() >= {"function-code", "worker-config-config-runtime.json"}
    assert deployment.site.cloud.read()["principal"][0] == principal
    assert [subject for operation, subject in deployment.site.cloud.take_log() if operation == "sign-in"] == []


def test_what_the_stack_says_of_the_sign_in_counts_for_all(deployment: Deployment) -> None:
    deployment.configure(**{"azure-native:clientId": CLIENT, "azure-native:clientSecret": "invented"})
    edited(deployment, "stack")
    deployment.up()

    assert deployment.site.cloud.read()["principal"] == ["secret", CLIENT]


def test_a_refresh_after_a_rotation_of_the_key_signs_in_by_the_same_settings(deployment: Deployment) -> None:
    """A refresh runs without the program, so that nobody hands a token over, and the key in use before is void."""
    account = next(
        each["name"]
        for each in deployment.site.cloud.read()["resources"].values()
        if each["type"].endswith(":StorageAccount") and each["name"].startswith("files")
    )
    with deployment.site.cloud.open() as content:
        content["log"] = []
        content["rotations"][account] = 1
    refresh = deployment.refresh()

    assert set(refresh.summary) == {"same"}
    assert "sign-in" in {operation for operation, _ in deployment.site.cloud.take_log()}


def test_a_token_that_runs_out_while_azure_is_waited_for_is_followed_by_a_sign_in(
    deployment: Deployment,
) -> None:
    with deployment.site.cloud.open() as content:
        content["log"], content["token_seconds"] = [], 30
    edited(deployment, "short")
    deployment.up()

    assert "sign-in" in {operation for operation, _ in deployment.site.cloud.take_log()}
