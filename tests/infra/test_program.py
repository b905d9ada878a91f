"""What holds for all that the program declares: references, secrets, places, tags, names and outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra.components.conditions import uploader_condition
from tests.infra.recording import (
    FROM_OUTPUT,
    SECRET,
    SIGNATURE,
    UPLOADER,
    Registered,
    Run,
    run_program,
    texts,
)

# Inputs that point at another resource, by its id or its name.
REFERENCES = {
    "accountName",
    "account_id",
    "account_url",
    "app_id",
    "blobContainerName",
    "blob_url",
    "principalId",
    "queueName",
    "registryName",
    "resourceGroupName",
    "resourceId",
    "resourceUri",
    "scope",
    "serverFarmId",
    "share_name",
    "source",
    "storageAccountName",
    "storage_account_id",
    "systemTopicName",
    "userAssignedIdentityResourceId",
    "vaultName",
    "workspaceId",
    "workspaceResourceId",
}


def own_name(resource: Registered, key: str) -> bool:
    """Tell whether a property names the resource itself."""
    own = {
        "azure-native:containerregistry:Registry": "registryName",
        "azure-native:keyvault:Vault": "vaultName",
        "azure-native:storage:Queue": "queueName",
        "azure-native:storage:StorageAccount": "accountName",
    }
    return own.get(resource.token) == key


def properties(value: Any, path: str = "") -> list[tuple[str, str, Any]]:
    """Return every property below a value as (path, key, value)."""
    found = []
    if isinstance(value, dict):
        for key, each in value.items():
            found.append((f"{path}.{key}", key, each))
            found += properties(each, f"{path}.{key}")
    elif isinstance(value, list):
        for each in value:
            found += properties(each, path)
    return found


def test_every_reference_comes_from_an_output(program: Run) -> None:
    people = ("11111111-2222-3333-4444-555555555555", UPLOADER)
    checked = 0
    for resource in program.resources:
        for path, key, value in properties(resource.inputs):
            if key in REFERENCES and isinstance(value, str) and not own_name(resource, key) and value not in people:
                assert value.startswith(FROM_OUTPUT), f"{resource.token} {resource.name}{path} is {value!r}"
                checked += 1
    assert checked > 60


def test_no_arm_id_is_made_by_hand(program: Run) -> None:
    # But those of the groups for the function, which a preview of a new group has to know as well.
    group = f"{program.one('resources:ResourceGroup').id}/providers/Microsoft.ContainerInstance/containerGroups/worker-"
    for resource in program.resources:
        for path, key, value in properties(resource.inputs):
            if isinstance(value, str) and key != "roleDefinitionId" and not value.startswith(group):
                assert "/subscriptions/" not in value, f"{resource.name}{path}"
                assert "/providers/" not in value, f"{resource.name}{path}"


def test_no_key_or_password_travels_outside_a_secret(program: Run) -> None:
    wrapped = 0
    for resource in program.resources:
        leaked = [text for text in texts(resource.raw) if SECRET in text]
        assert not leaked, f"{resource.token} {resource.name}: {leaked}"
        wrapped += SECRET in str(resource.raw)
    # The image, the vault's secret, the two groups, and the app's settings; then the tokens of the image's tags, of the
    # two config files and of the deployment.
    assert wrapped == 9


def test_no_output_of_the_stack_is_a_secret_or_missing(program: Run) -> None:
    assert not program.secret_outputs
    assert not any(SECRET in str(value) for value in program.outputs.values())
    assert sorted(program.outputs) == [
        "appStorageAccountName",
        "appStorageContainer",
        "artifactStorageAccountName",
        "containerGroupNames",
        "functionAppName",
        "imageDigest",
        "imageReference",
        "inputPath",
        "logFile",
        "outputPath",
        "portalUrl",
        "registryLoginServer",
        "resourceGroupName",
        "shareName",
        "uploadCommand",
        "uploadCondition",
        "uploadRoleId",
        "uploadScope",
        "uploadUrl",
        "vaultUri",
    ]
    assert program.outputs["containerGroupNames"] == ["~worker-1", "~worker-2"]
    assert program.outputs["imageDigest"] == f"sha256:{'a' * 64}"
    assert program.outputs["uploadUrl"] == "~https://files.blob/~pipeline-files/incoming/"
    assert "--container-name ~pipeline-files --name incoming/FILE" in program.outputs["uploadCommand"]
    assert program.outputs["uploadCondition"] == uploader_condition("incoming")
    assert program.outputs["uploadRoleId"] == "~roles-process-files"
    assert program.outputs["uploadScope"] == program.one("storage:BlobContainer", "files-pipeline-files").id
    assert program.outputs["portalUrl"].startswith("https://portal.azure.com/#@~tenant/resource~azure-native:resources")


def test_no_two_resources_share_a_urn(program: Run) -> None:
    urns = [(each.request.parent, each.token, each.name) for each in program.resources]
    assert len(urns) == len(set(urns))


def test_every_resource_but_the_group_is_below_a_component(program: Run) -> None:
    for each in program.resources:
        if each.token.startswith("file-processing:") or each.token.endswith(":ResourceGroup"):
            continue
        assert "$file-processing:infra:" in each.request.parent, f"{each.token} {each.name}"


def test_tags_reach_everything_that_takes_tags(program: Run) -> None:
    tokens = {each.token.rpartition(":")[2] for each in program.resources if each.inputs.get("tags")}
    assert program.one("storage:StorageAccount", "files").inputs["tags"] == {"team": "files"}
    assert tokens == {
        "AppServicePlan",
        "Component",
        "ContainerGroup",
        "MetricAlert",
        "Registry",
        "ResourceGroup",
        "ScheduledQueryRule",
        "StorageAccount",
        "SystemTopic",
        "UserAssignedIdentity",
        "Vault",
        "WebApp",
        "Workspace",
    }


def test_names_that_must_be_unique_in_the_world_are_left_to_the_provider(program: Run) -> None:
    for token, key in (
        ("containerregistry:Registry", "registryName"),
        ("keyvault:Vault", "vaultName"),
        ("storage:StorageAccount", "accountName"),
        ("web:WebApp", "name"),
    ):
        for each in program.all(token):
            assert key not in each.inputs
            # The provider appends eight digits, and a storage account has room for 24 lower-case characters.
            assert re.fullmatch(r"[a-z][a-z0-9]{2,15}", each.name)


@pytest.mark.usefixtures("function_package")
def test_a_configured_name_is_taken(artifact_cache: Path) -> None:
    run = run_program(
        {
            "appStorageAccountName": "myfiles",
            "artifactCache": str(artifact_cache),
            "artifactStorageAccountName": "myartifacts",
            "registryName": "myRegistry",
            "vaultName": "my-vault",
        }
    )
    assert run.one("storage:StorageAccount", "files").inputs["accountName"] == "myfiles"
    assert run.one("storage:StorageAccount", "artifacts").inputs["accountName"] == "myartifacts"
    assert run.one("containerregistry:Registry").inputs["registryName"] == "myRegistry"
    assert run.one("keyvault:Vault").inputs["vaultName"] == "my-vault"


def test_a_wrong_configuration_registers_nothing() -> None:
    run = Run()
    with pytest.raises(ValueError, match="inputPath is 'a' and outputPath is 'a/b'"):
        run_program({"inputPath": "a", "outputPath": "a/b"}, run)
    assert not run.resources
    assert not run.invokes


def test_the_program_reads_as_a_plan() -> None:
    source = (Path(__file__).parents[2] / "__main__.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    assert SIGNATURE not in source
