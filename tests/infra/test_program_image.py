"""Which image the program builds or takes, who pushes it, and how the groups pull it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.components.image_pull import credential_server
from infra.deployer.credentials import HandedToken
from tests.infra.recording import (
    SECRET,
    SECRET_MARK,
    SIGNATURE,
    Run,
    environment_of,
    run_program,
)


@pytest.mark.usefixtures("function_package")
def test_an_image_by_digest_is_deployed_without_an_engine_or_an_artifact() -> None:
    reference = f"registry.example/worker@sha256:{'b' * 64}"
    run = run_program({"artifactPath": "", "imageReference": reference})
    assert not [each for each in run.resources if each.token.startswith("docker:")]
    assert not run.all("infra:Artifact")
    group = run.one("containerinstance:ContainerGroup")
    assert group.inputs["containers"][0]["image"] == reference
    assert environment_of(group)["APP_IMAGE"] == reference
    assert run.outputs["imageReference"] == reference


@pytest.mark.usefixtures("function_package")
def test_an_image_in_a_public_registry_is_pulled_without_credentials_or_a_wait() -> None:
    run = run_program({"artifactPath": "", "imageReference": f"ghcr.io/owner/worker@sha256:{'b' * 64}"})
    assert "imageRegistryCredentials" not in run.one("containerinstance:ContainerGroup").inputs
    assert "image-pull-role" not in {each.name for each in run.all("dynamic/authorization:RoleWait")}


@pytest.mark.usefixtures("function_package")
def test_an_image_in_another_azure_registry_is_pulled_by_a_role_on_it() -> None:
    registry = "/subscriptions/other/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/theirs"
    reference = f"theirs.azurecr.io/worker@sha256:{'b' * 64}"
    run = run_program({"artifactPath": "", "imageReference": reference, "imageRegistryId": registry})
    grant = run.one("authorization:RoleAssignment", "worker-identity-pull-given-image")
    group = run.one("containerinstance:ContainerGroup")
    identity = run.one("managedidentity:UserAssignedIdentity", "worker-identity").id
    assert grant.inputs["scope"] == registry
    assert grant.inputs["roleDefinitionId"] == (
        "/subscriptions/other/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
    )
    assert group.inputs["imageRegistryCredentials"] == [{"identity": identity, "server": "theirs.azurecr.io"}]
    assert run.one("dynamic/authorization:RoleWait", "image-pull-role").inputs["assignment_id"] == grant.id
    waited = [each for each in group.request.dependencies if each.endswith("::image-pull-role")]
    assert len(waited) == 1


@pytest.mark.parametrize(
    ("server", "registry_id", "expected"),
    [
        (None, None, "Own.azurecr.io"),
        ("own.azurecr.io", None, "Own.azurecr.io"),
        ("theirs.azurecr.io", "/registries/theirs", "theirs.azurecr.io"),
        ("theirs.azurecr.io", None, None),
        ("ghcr.io", None, None),
    ],
)
def test_a_group_signs_in_to_azure_registries_that_it_has_a_role_on_alone(
    server: str | None, registry_id: str | None, expected: str | None
) -> None:
    assert credential_server(server, registry_id, "Own.azurecr.io") == expected


@pytest.mark.usefixtures("function_package")
def test_an_artifact_to_fetch_is_there_before_the_image_is_built(
    artifact_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run()
    fetched = []

    def fetch(endpoint: str, container: str, blob_name: str, sha256: str, cache: Path, credential: HandedToken) -> Path:
        assert not run.all("docker:index/image:Image")
        fetched.append((endpoint, container, blob_name, sha256))
        assert credential.get_token().token == f"{SECRET}-token"
        return cache

    monkeypatch.setattr("infra.packages.artifact_fetch.fetch_artifact", fetch)
    config = {
        "artifactCache": str(artifact_cache),
        "artifactName": "app.zip",
        "artifactPath": "",
        "artifactSha256": "a" * 64,
        "buildNumber": "20260131",
    }
    artifact_cache.mkdir(exist_ok=True)
    run_program(config, run)
    assert fetched == [("~https://artifacts.blob/", "~shared-artifacts", "applications/app.zip", "a" * 64)]
    assert [each.name for each in run.all("storage:Blob")] == ["function-package"]
    asked = [each.args for each in run.invokes if each.token.endswith(":getClientToken")]
    assert {"endpoint": "https://storage.azure.com"} in asked
    image = run.one("docker:index/image:Image").inputs
    assert image["build"]["context"].startswith(".build/image-")
    assert image["build"]["args"]["RELEASE_VERSION"] == "0.1.0.dev20260131"


def test_the_image_is_pushed_with_a_token_of_the_deployers_own(program: Run) -> None:
    image = program.one("docker:index/image:Image")
    ((server, repository, token),) = program.sign_ins

    assert image.inputs["registry"] == {
        "password": f"{SECRET}-push-1",
        "server": server,
        "username": "00000000-0000-0000-0000-000000000000",
    }
    assert image.raw["registry"]["password"][SIGNATURE] == SECRET_MARK
    assert image.inputs["imageName"].startswith(f"{server}/{repository}:")
    assert token == f"{SECRET}-token"
    asked = [each.args for each in program.invokes if each.token.endswith(":getClientToken")]
    # One for the push, and one for the tags that follow it.
    assert asked.count({"endpoint": "https://containerregistry.azure.net"}) == 2


def test_the_admin_users_password_goes_to_the_vault_and_nowhere_else(program: Run) -> None:
    holders = [each.token for each in program.resources if f"{SECRET}-registry" in str(each.inputs)]
    assert holders == ["azure-native:keyvault:Secret"]


@pytest.mark.usefixtures("function_package")
def test_a_preview_signs_in_to_no_registry(artifact_cache: Path) -> None:
    run = run_program({"artifactCache": str(artifact_cache)}, preview=True)

    assert run.sign_ins == []
    assert run.one("docker:index/image:Image").inputs["registry"]["password"] == UNKNOWN


@pytest.mark.usefixtures("function_package")
def test_a_build_of_the_same_content_has_the_same_version_on_any_machine(tmp_path: Path) -> None:
    names = {
        run_program({"artifactCache": str(tmp_path / cache)}).one("docker:index/image:Image").inputs["imageName"]
        for cache in ("one", "other")
    }
    assert len(names) == 1
