"""What the whole program declares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.components.conditions import uploader_condition, worker_condition
from infra.components.image_pull import credential_server
from infra.components.roles import Role
from infra.deployer.credentials import HandedToken
from tests.infra.recording import (
    FROM_OUTPUT,
    SECRET,
    SECRET_MARK,
    SIGNATURE,
    Registered,
    Run,
    environment_of,
    run_program,
    settings_of,
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

UPLOADER = "22222222-2222-3333-4444-555555555555"


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


def test_every_role_assignment_is_in_this_table(program: Run) -> None:
    function, worker = (f"{FROM_OUTPUT}principal-of-{name}-identity" for name in ("function", "worker"))
    run_groups, process_files, take_messages = (
        f"{FROM_OUTPUT}roles-{name}" for name in ("run-groups", "process-files", "take-messages")
    )
    storage, account = "azure-native:storage", "azure-native:storage:StorageAccount"
    expected = {
        (function, run_groups, program.one("resources:ResourceGroup").id[len(FROM_OUTPUT) :]),
        (function, Role.MONITORING_METRICS_PUBLISHER, "azure-native:applicationinsights:Component/monitoring-insights"),
        (function, Role.STORAGE_BLOB_DATA_CONTRIBUTOR, f"{storage}:BlobContainer/artifacts-function-packages"),
        (function, Role.STORAGE_BLOB_DATA_CONTRIBUTOR, f"{storage}:BlobContainer/files-pipeline-state"),
        (function, Role.STORAGE_BLOB_DATA_OWNER, f"{account}/host"),
        (function, Role.STORAGE_BLOB_DATA_READER, f"{storage}:BlobContainer/files-pipeline-files"),
        (function, take_messages, f"{storage}:Queue/files-events"),
        (function, Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, f"{storage}:Queue/files-events-poison"),
        (function, Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, f"{storage}:Queue/files-jobs"),
        (function, Role.STORAGE_QUEUE_DATA_READER, f"{storage}:Queue/files-jobs"),
        (worker, Role.ACR_PULL, "azure-native:containerregistry:Registry/registry"),
        (worker, process_files, f"{storage}:BlobContainer/files-pipeline-files"),
        (worker, take_messages, f"{storage}:Queue/files-jobs"),
        (worker, Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER, f"{storage}:Queue/files-jobs-poison"),
        (UPLOADER, process_files, f"{storage}:BlobContainer/files-pipeline-files"),
        (
            "11111111-2222-3333-4444-555555555555",
            Role.KEY_VAULT_SECRETS_OFFICER,
            "azure-native:keyvault:Vault/vault",
        ),
    }
    assignments = program.all("authorization:RoleAssignment")
    found = {
        (
            each.inputs["principalId"],
            given if (given := each.inputs["roleDefinitionId"].rpartition("/")[2])[0] == FROM_OUTPUT else Role(given),
            each.inputs["scope"].removeprefix(FROM_OUTPUT),
        )
        for each in assignments
    }
    assert found == expected
    assert len(assignments) == len(expected)


def test_role_assignments_leave_their_name_to_the_provider_and_say_what_they_are_for(program: Run) -> None:
    for each in program.all("authorization:RoleAssignment"):
        assert "roleAssignmentName" not in each.inputs
        person = each.name in ("vault-secrets-officer", f"uploaders-{UPLOADER}")
        assert each.inputs["principalType"] == ("User" if person else "ServicePrincipal")


def test_roles_on_the_files_that_change_them_have_a_condition_and_no_other_has_one(program: Run) -> None:
    conditions = {
        each.name: (each.inputs["condition"], each.inputs["conditionVersion"])
        for each in program.all("authorization:RoleAssignment")
        if "condition" in each.inputs or "conditionVersion" in each.inputs
    }
    assert conditions == {
        f"uploaders-{UPLOADER}": (uploader_condition("incoming"), "2.0"),
        "worker-identity-files": (worker_condition("incoming", "outgoing"), "2.0"),
    }


def test_the_stack_s_own_roles_allow_this_and_can_be_given_in_its_group_alone(program: Run) -> None:
    group = program.one("resources:ResourceGroup")
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
    groups = "Microsoft.ContainerInstance/containerGroups"
    queues = "Microsoft.Storage/storageAccounts/queueServices/queues"
    allowed = {
        "roles-process-files": ([], [f"{blobs}/delete", f"{blobs}/read", f"{blobs}/write"]),
        "roles-run-groups": ([f"{groups}/read", f"{groups}/start/action", f"{groups}/stop/action"], []),
        "roles-take-messages": (
            [f"{queues}/read"],
            [f"{queues}/messages/{each}" for each in ("process/action", "read", "write")],
        ),
    }
    definitions = program.all("authorization:RoleDefinition")
    assert {each.name for each in definitions} == set(allowed)
    for each in definitions:
        actions, data_actions = allowed[each.name]
        nothing: list[str] = []
        assert each.inputs["permissions"] == [
            {"actions": actions, "dataActions": data_actions, "notActions": nothing, "notDataActions": nothing}
        ]
        assert each.inputs["assignableScopes"] == [group.id]
        assert each.inputs["scope"] == group.id
        assert each.inputs["roleType"] == "CustomRole"
        # The names of two stacks' roles differ, as those of their groups do.
        assert each.inputs["roleName"].endswith(f", ~{group.name}")


def test_a_role_is_given_when_it_is_known_and_deleted_when_nobody_has_it(program: Run) -> None:
    for each in program.all("authorization:RoleAssignment"):
        role = each.inputs["roleDefinitionId"].rpartition("/")[2].removeprefix(FROM_OUTPUT)
        if role.startswith("roles-"):
            assert any(urn.endswith(f"::{role}-known") for urn in each.request.dependencies), each.name
            wait = program.one("dynamic/authorization:RoleWait", f"{role}-known")
            assert wait.inputs["assignment_id"] == program.one("authorization:RoleDefinition", role).id
            assert (wait.inputs["seconds"], wait.inputs["free_seconds"]) == (60, 30)


@pytest.mark.usefixtures("function_package")
def test_a_role_that_is_there_already_starts_the_groups_where_it_is_given(artifact_cache: Path) -> None:
    role = "11111111-2222-3333-4444-555555555556"
    run = run_program({"artifactCache": str(artifact_cache), "startRoleId": role})
    start = run.one("authorization:RoleAssignment", "function-identity-start-workers").inputs
    assert start["roleDefinitionId"].endswith(f"/roleDefinitions/{role}")
    assert start["scope"] == run.one("resources:ResourceGroup").id
    assert {each.name for each in run.all("authorization:RoleDefinition")} == {
        "roles-process-files",
        "roles-take-messages",
    }


@pytest.mark.usefixtures("function_package")
def test_a_deployer_who_may_make_no_roles_gives_built_in_ones_under_the_same_conditions(artifact_cache: Path) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "customRoles": "false"})
    assert run.all("authorization:RoleDefinition") == []
    given = {
        each.name: (Role(each.inputs["roleDefinitionId"].rpartition("/")[2]), "condition" in each.inputs)
        for each in run.all("authorization:RoleAssignment")
    }
    assert given["function-identity-start-workers"] == (Role.CONTAINER_INSTANCES_CONTRIBUTOR, False)
    assert given["function-identity-take-events"] == (Role.STORAGE_QUEUE_DATA_CONTRIBUTOR, False)
    assert given["worker-identity-files"] == (Role.STORAGE_BLOB_DATA_CONTRIBUTOR, True)
    assert given["worker-identity-jobs"] == (Role.STORAGE_QUEUE_DATA_CONTRIBUTOR, False)
    assert run.outputs["uploadRoleId"] == Role.STORAGE_BLOB_DATA_CONTRIBUTOR.value


@pytest.mark.usefixtures("function_package")
def test_the_condition_goes_by_the_stack_s_own_paths(artifact_cache: Path) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "inputPath": "in/box", "outputPath": "out"})
    files = run.one("authorization:RoleAssignment", "worker-identity-files").inputs
    assert files["condition"] == worker_condition("in/box", "out")
    assert run.outputs["uploadCondition"] == uploader_condition("in/box")


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


def test_a_wrong_configuration_registers_nothing() -> None:
    run = Run()
    with pytest.raises(ValueError, match="inputPath is 'a' and outputPath is 'a/b'"):
        run_program({"inputPath": "a", "outputPath": "a/b"}, run)
    assert not run.resources
    assert not run.invokes


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


@pytest.mark.usefixtures("function_package")
@pytest.mark.parametrize("environment", ["AzureCloud", "Public", "public"])
def test_the_public_cloud_is_taken_by_each_of_its_names(artifact_cache: Path, environment: str) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "azure-native:environment": environment})
    assert settings_of(run.one("web:WebApp"))["AZURE_RESOURCE_MANAGER_ENDPOINT"] == "https://management.azure.com"
    assert run.one("dynamic/web:OneDeploy").inputs["resource_manager"] == "https://management.azure.com"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("environment", "china"),
        ("environment", "usgovernment"),
        ("environment", "mars"),
        ("metadataHost", "management.example"),
        ("resourceManagerEndpoint", "https://management.example"),
    ],
)
def test_another_cloud_is_refused_before_anything_is_made(key: str, value: str) -> None:
    run = Run()
    with pytest.raises(ValueError, match=f"azure-native:{key} is '{value}'. Only Azure's public cloud is supported"):
        run_program({f"azure-native:{key}": value}, run)
    assert not run.resources
    assert not run.invokes


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ARM_ENVIRONMENT", "china"), ("AZURE_ENVIRONMENT", "usgov"), ("ARM_METADATA_HOSTNAME", "management.example")],
)
def test_another_cloud_in_the_environment_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable} is '{value}'. Only Azure's public cloud"):
        run_program({})


def test_the_program_reads_as_a_plan() -> None:
    source = (Path(__file__).parents[2] / "__main__.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    assert SIGNATURE not in source
