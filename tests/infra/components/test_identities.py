"""The tables of identities say what the stack declares: each role with its scope, and what nobody can do by them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.components.conditions import uploader_condition
from infra.components.roles import Role
from tests.engine.standin.roles import BLOBS
from tests.infra.components.claims import CLAIMS, GROUPS, INPUT, MESSAGES, QUEUES, RECEIPT
from tests.infra.components.rights import OWN, Rights
from tests.infra.recording import FROM_OUTPUT, Registered, Run, run_program

PROJECT = Path(__file__).parents[3]
IDENTITIES = (PROJECT / "docs" / "identities.md").read_text(encoding="utf-8")

# The identities as the document calls them, and the beginning of the names of their assignments.
HOLDERS = {"Function": "function-identity-", "Uploaders": "uploaders-", "Worker": "worker-identity-"}
TITLES = {
    Role.ACR_PULL: "AcrPull",
    Role.CONTAINER_INSTANCES_CONTRIBUTOR: "Azure Container Instances Contributor Role",
    Role.KEY_VAULT_SECRETS_OFFICER: "Key Vault Secrets Officer",
    Role.MONITORING_METRICS_PUBLISHER: "Monitoring Metrics Publisher",
    Role.STORAGE_BLOB_DATA_CONTRIBUTOR: "Storage Blob Data Contributor",
    Role.STORAGE_BLOB_DATA_OWNER: "Storage Blob Data Owner",
    Role.STORAGE_BLOB_DATA_READER: "Storage Blob Data Reader",
    Role.STORAGE_QUEUE_DATA_CONTRIBUTOR: "Storage Queue Data Contributor",
    Role.STORAGE_QUEUE_DATA_MESSAGE_SENDER: "Storage Queue Data Message Sender",
    Role.STORAGE_QUEUE_DATA_READER: "Storage Queue Data Reader",
}


def rows(text: str, head: str) -> list[list[str]]:
    """Return the cells of the table that begins with a head."""
    lines = text.partition(head)[2].splitlines()[1:]
    table = lines[: next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def role_of(assignment: Registered) -> str:
    """Return the name of a role as the table has it."""
    role = assignment.inputs["roleDefinitionId"].rpartition("/")[2]
    title = f"Own: {OWN[role[1:]].title}" if role.startswith(FROM_OUTPUT) else TITLES[Role(role)]
    return f"{title}, under a condition" if "condition" in assignment.inputs else title


def scope_of(assignment: Registered) -> str:
    """Return a scope as the table has it."""
    token, _, name = assignment.inputs["scope"].removeprefix(FROM_OUTPUT).rpartition("/")
    match token.rpartition(":")[2]:
        case "BlobContainer":
            return f"container `{re.sub('^(artifacts|files)-', '', name)}`"
        case "Component":
            return "Application Insights"
        case "Queue":
            return f"queue `{name.removeprefix('files-')}`"
        case "Registry":
            return "the registry, and that of `imageRegistryId`"
        case "ResourceGroup":
            return "the resource group"
        case "StorageAccount":
            return f"account `{name}`"
        case "Vault":
            return "the vault"
    raise ValueError(assignment.inputs["scope"])


def holder_of(assignment: Registered) -> str:
    """Return who has a role, as the table has it."""
    for name, holder in (
        ("function-identity-", "Function"),
        ("uploaders-", "Whom `uploaderIds` names"),
        ("vault-", "Whom `vaultSecretsOfficerId` names"),
        ("worker-identity-", "Worker"),
    ):
        if assignment.name.startswith(name):
            return holder
    raise ValueError(assignment.name)


def test_the_document_lists_every_role_that_the_stack_gives_and_no_other(program: Run) -> None:
    declared = [
        (holder_of(each), role_of(each), scope_of(each)) for each in program.all("authorization:RoleAssignment")
    ]
    written = [(row[0], row[1], row[2]) for row in rows(IDENTITIES, "| Identity | Role | on | for |\n")]
    assert sorted(written) == sorted(declared)


@pytest.mark.usefixtures("function_package")
def test_the_document_says_which_role_is_another_with_a_job(program: Run, artifact_cache: Path) -> None:
    job = run_program({"artifactCache": str(artifact_cache), "runner": "containerAppsJob"})
    runs = [
        {
            (holder_of(each), role_of(each), scope_of(each))
            for each in run.all("authorization:RoleAssignment")
            if each.name.startswith("function-identity-")
        }
        for run in (program, job)
    ]
    (row,) = rows(IDENTITIES, "| Identity | Role instead | on | for |\n")
    assert runs[1] - runs[0] == {(row[0], row[1], row[2])}
    first = rows(IDENTITIES, "| Identity | Role | on | for |\n")[0]
    assert runs[0] - runs[1] == {(first[0], first[1], first[2])}


@pytest.fixture(scope="module")
def ids(program: Run) -> dict[str, str]:
    """Ids of what the claims are about."""
    return {
        "artifacts": program.one("storage:BlobContainer", "artifacts-shared-artifacts").id,
        "artifacts-account": program.one("storage:StorageAccount", "artifacts").id,
        "events": program.one("storage:Queue", "files-events").id,
        "files": program.one("storage:BlobContainer", "files-pipeline-files").id,
        "files-account": program.one("storage:StorageAccount", "files").id,
        "group": program.one("containerinstance:ContainerGroup", "worker-1").id,
        "host-account": program.one("storage:StorageAccount", "host").id,
        "jobs": program.one("storage:Queue", "files-jobs").id,
        "registry": program.one("containerregistry:Registry").id,
        "vault": program.one("keyvault:Vault").id,
    }


def claims() -> Iterator[tuple[str, str]]:
    """Yield who cannot do what, by the document."""
    for who, _, cannot in rows(IDENTITIES, "| Who | can | cannot |\n"):
        for claim in cannot.split("; "):
            yield re.split(r"[ ,]", who)[0], claim


def test_the_document_says_of_each_identity_what_it_cannot_do() -> None:
    told = list(claims())
    assert {who for who, _ in told} == set(HOLDERS)
    assert {claim for _, claim in told} == set(CLAIMS)


@pytest.mark.parametrize(("who", "claim"), list(claims()))
def test_nobody_can_do_what_the_document_says_that_they_cannot(
    program: Run, ids: dict[str, str], who: str, claim: str
) -> None:
    found = CLAIMS[claim](Rights(program, HOLDERS[who]), ids)
    assert found
    assert not any(found)


def test_each_identity_can_do_its_work(program: Run, ids: dict[str, str]) -> None:
    """Who may do nothing would keep every promise of what they cannot do."""
    function, uploaders, worker = (Rights(program, HOLDERS[name]) for name in ("Function", "Uploaders", "Worker"))
    assert function.may(f"{BLOBS}/read", ids["files"], path=INPUT)
    assert function.may(f"{BLOBS}/read", ids["files"], prefix="incoming/")
    assert function.may(f"{MESSAGES}/process/action", ids["events"])
    assert function.may(f"{MESSAGES}/add/action", ids["jobs"])
    assert function.may(f"{BLOBS}/write", program.one("storage:BlobContainer", "files-pipeline-state").id)
    for verb in ("read", "start/action"):
        assert function.may(f"{GROUPS}/{verb}", ids["group"])
    for verb in ("delete", "write"):
        assert uploaders.may(f"{BLOBS}/{verb}", ids["files"], path=INPUT)
        assert worker.may(f"{BLOBS}/{verb}", ids["files"], path=RECEIPT)
    assert uploaders.may(f"{BLOBS}/read", ids["files"], path=RECEIPT)
    assert uploaders.may(f"{BLOBS}/read", ids["files"])
    assert worker.may(f"{BLOBS}/read", ids["files"], path=INPUT)
    assert worker.may(f"{MESSAGES}/process/action", ids["jobs"])
    assert worker.may(f"{QUEUES}/read", ids["jobs"])


def test_a_role_of_the_document_that_is_made_by_hand_starts_and_reads_alone() -> None:
    (text,) = re.findall(r"--role-definition \"(\{.*?\})\"", IDENTITIES, re.DOTALL)
    assert json.loads(text.replace('\\"', '"'))["Actions"] == [f"{GROUPS}/read", f"{GROUPS}/start/action"]


def test_uploaders_by_hand_get_what_the_stack_says_on_the_container_under_its_condition(
    tmp_path: Path, program: Run
) -> None:
    (command,) = re.findall(r"```bash\n(az role assignment create .*?)```", IDENTITIES, re.DOTALL)
    outputs = {key: value for key, value in program.outputs.items() if isinstance(value, str)}
    (tmp_path / "outputs.json").write_text(json.dumps(outputs), encoding="utf-8")
    scripts: dict[str, str] = {
        "az": f'printf "%s\\n" "$@" >"{tmp_path}/said"',
        "pulumi": f"exec {sys.executable} -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[4]])'"
        f' "{tmp_path}/outputs.json" "$@"',
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"OBJECT_ID": "somebody", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TYPE": "Group"}
    subprocess.run(["bash", "-euc", command], check=True, env=environment)
    said = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    given: dict[str, Any] = dict(zip(said[3::2], said[4::2], strict=True))
    assert said[:3] == ["role", "assignment", "create"]
    assert given == {
        "--assignee-object-id": "somebody",
        "--assignee-principal-type": "Group",
        "--condition": uploader_condition("incoming"),
        "--condition-version": "2.0",
        "--role": "~roles-process-files",
        "--scope": program.one("storage:BlobContainer", "files-pipeline-files").id,
    }
