"""Which roles the program gives to whom, on what and under which condition, and which it makes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.components.conditions import uploader_condition, worker_condition
from infra.components.roles import Role
from tests.infra.recording import (
    FROM_OUTPUT,
    UPLOADER,
    Run,
    run_program,
)


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
