"""Who changed data is logged, a vault can be kept from a purge, and accounts take a key of the customer's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra.components.data_logs import CHANGES, READS
from infra.settings.naming import KEY_ID
from tests.infra.recording import Registered, Run, run_program

PROJECT = Path(__file__).parents[3]
DATA_DOCUMENT = (PROJECT / "docs" / "data.md").read_text(encoding="utf-8")
VAULT = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/keys/providers/Microsoft.KeyVault/vaults"
KEY = f"{VAULT}/Our-Keys/keys/pipeline"


def settings(run: Run) -> dict[str, tuple[str, list[str]]]:
    """Return by name on what a diagnostic setting of the data plane is, and its categories."""
    return {
        each.name: (each.inputs["resourceUri"], [log["category"] for log in each.inputs["logs"]])
        for each in run.all("monitor:DiagnosticSetting")
        if each.name.startswith("data-logs-")
    }


@pytest.fixture(scope="module")
def other(function_package: None, artifact_cache: Path) -> Run:
    """A run that logs everything, protects its vault and has a key of its own."""
    return run_program(
        {
            "artifactCache": str(artifact_cache),
            "dataLogs": "all",
            "encryptionKeyId": KEY,
            "vaultPurgeProtection": "true",
        }
    )


@pytest.mark.parametrize("reads", [False, True], ids=["changes", "all"])
def test_who_changes_or_reads_blobs_messages_and_secrets_is_logged_in_the_stack_s_workspace(
    program: Run, other: Run, reads: bool
) -> None:
    run = other if reads else program
    files, artifacts = (run.one("storage:StorageAccount", name).id for name in ("files", "artifacts"))
    categories = sorted([*CHANGES, *(READS if reads else ())])
    assert settings(run) == {
        "data-logs-artifacts": (f"{artifacts}/blobServices/default", categories),
        "data-logs-files": (f"{files}/blobServices/default", categories),
        "data-logs-messages": (f"{files}/queueServices/default", categories),
        "data-logs-vault": (run.one("keyvault:Vault").id, ["AuditEvent"]),
    }
    workspace = run.one("operationalinsights:Workspace").id
    assert {each.inputs["workspaceId"] for each in run.all("monitor:DiagnosticSetting")} == {workspace}


@pytest.mark.usefixtures("function_package")
def test_a_stack_can_do_without_these_logs(artifact_cache: Path) -> None:
    assert settings(run_program({"artifactCache": str(artifact_cache), "dataLogs": "none"})) == {}


def test_the_question_of_the_document_is_answered_by_what_is_logged_by_itself() -> None:
    (query,) = re.findall(r"```kusto\n(StorageBlobLogs\n.*?)```", DATA_DOCUMENT, re.DOTALL)
    assert 'Category == "StorageDelete"' in query
    assert "StorageDelete" in CHANGES
    assert '"/receipt.json"' in query
    assert "RequesterObjectId" in query


def test_every_key_that_the_program_takes_has_a_row_on_its_rotation(program: Run) -> None:
    taken = {each.token.rpartition(":")[2]: each.args for each in program.invokes if ":list" in each.token}
    rotated = DATA_DOCUMENT.partition("## Rotating keys")[2].partition("\n## ")[0]
    assert taken.keys() == {"listRegistryCredentials", "listStorageAccountKeys"}
    # The application's account alone is asked for its keys by the program, and takes the first.
    assert taken["listStorageAccountKeys"]["accountName"] == "~files"
    for row in ("| first key of the application's account", "| the registry's admin password |"):
        assert row in rotated
    for variable in ("PULUMI_ACCESS_TOKEN", "PULUMI_PREVIEW_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"):
        assert f"`{variable}`" in rotated


def accounts(run: Run) -> dict[str, dict[str, Any]]:
    return {each.name: each.inputs for each in run.all("storage:StorageAccount")}


def test_accounts_are_encrypted_with_the_key_that_is_named_by_an_identity_that_may_use_it_alone(other: Run) -> None:
    identity = other.one("managedidentity:UserAssignedIdentity", "encryption-identity").id
    service = {"enabled": True, "keyType": "Account"}
    for inputs in accounts(other).values():
        assert inputs["encryption"] == {
            "encryptionIdentity": {"encryptionUserAssignedIdentity": identity},
            "keySource": "Microsoft.Keyvault",
            # Without a version, so that a rotated key is taken up.
            "keyVaultProperties": {"keyName": "pipeline", "keyVaultUri": "https://our-keys.vault.azure.net/"},
            "services": {"blob": service, "file": service, "queue": service},
        }
        assert inputs["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [identity]}
    grant = other.one("authorization:RoleAssignment", "encryption-use-key")
    assert grant.inputs["scope"] == KEY
    assert grant.inputs["roleDefinitionId"] == (
        "/subscriptions/00000000-1111-2222-3333-444444444444/providers/Microsoft.Authorization/roleDefinitions"
        "/e147488a-f6f5-4113-8e2d-b22465e65bf6"
    )
    given = [
        each.name for each in other.all("authorization:RoleAssignment") if "encryption-identity" in str(each.inputs)
    ]
    assert given == ["encryption-use-key"]


def test_an_account_is_made_when_its_identity_may_use_the_key(other: Run) -> None:
    assert other.one("dynamic/authorization:RoleWait", "encryption-role").inputs["assignment_id"] == (
        other.one("authorization:RoleAssignment", "encryption-use-key").id
    )
    for account in other.all("storage:StorageAccount"):
        assert [urn for urn in account.request.dependencies if urn.endswith("::encryption-role")]


def test_without_a_key_microsoft_s_is_named_since_the_other_would_stay(program: Run) -> None:
    for inputs in accounts(program).values():
        assert inputs["encryption"] == {"keySource": "Microsoft.Storage"}
        assert "identity" not in inputs


def test_what_of_a_key_is_fixed_when_an_account_is_made_is_left_alone_ever_after(program: Run, other: Run) -> None:
    """A replacement would cost the files."""
    for run in (program, other):
        made: list[Registered] = run.all("storage:StorageAccount")
        assert {tuple(each.request.ignoreChanges) for each in made} == {("encryption.services.queue",)}
        assert {tuple(each.request.replaceOnChanges) for each in made} == {()}


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY}/versions/0123456789abcdef0123456789abcdef",
        f"{VAULT}/our-keys",
        "https://our-keys.vault.azure.net/keys/pipeline",
        f"{VAULT.replace('00000000-1111', 'x')}/our-keys/keys/pipeline",
    ],
    ids=["version", "vault", "url", "subscription"],
)
def test_what_is_no_key_without_a_version_is_refused(text: str) -> None:
    assert KEY_ID.problem(KEY) is None
    assert "the resource id of a key in a Key Vault, without a version" in str(KEY_ID.problem(text))


def test_a_vault_is_kept_from_a_purge_where_that_is_set_and_says_nothing_of_it_otherwise(
    program: Run, other: Run
) -> None:
    """Azure takes no false."""
    assert other.one("keyvault:Vault").inputs["properties"]["enablePurgeProtection"] is True
    assert "enablePurgeProtection" not in program.one("keyvault:Vault").inputs["properties"]
