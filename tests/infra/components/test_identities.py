"""The tables of identities say what the stack declares: each role with its scope, and what nobody can do by them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.components.conditions import uploader_condition
from infra.components.roles import Role
from infra.components.stack_roles import PROCESS_FILES, RUN_GROUPS, TAKE_MESSAGES
from infra.local.services.built_in_roles import BUILT_IN, Permissions
from tests.engine.standin.roles import BLOBS, Wanted, allows
from tests.infra.recording import FROM_OUTPUT, Registered, Run

PROJECT = Path(__file__).parents[3]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
IDENTITIES = (PROJECT / "docs" / "identities.md").read_text(encoding="utf-8")

CONTAINERS = BLOBS.removesuffix("/blobs")
GROUPS = "Microsoft.ContainerInstance/containerGroups"
QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
MESSAGES = f"{QUEUES}/messages"

# The identities as both documents call them, and the beginning of the names of their assignments.
HOLDERS = {"Function": "function-identity-", "Uploaders": "uploaders-", "Worker": "worker-identity-"}
OWN = {
    f"roles-{name}": role
    for name, role in (("process-files", PROCESS_FILES), ("run-groups", RUN_GROUPS), ("take-messages", TAKE_MESSAGES))
}
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


class Rights:
    """What somebody may do by the assignments that the stack declares for them."""

    def __init__(self, program: Run, prefix: str) -> None:
        self._parents = {each.id: parent for each in program.resources if (parent := _parent(program, each))}
        self._grants = [
            (each.inputs["scope"], permissions(each), each.inputs.get("condition"))
            for each in program.all("authorization:RoleAssignment")
            if each.name.startswith(prefix)
        ]
        assert self._grants

    def may(self, action: str, on: str, *, path: str | None = None, prefix: str | None = None) -> bool:
        """Tell whether an action is allowed on a resource, by its id, or on what it is in."""
        above = [on]
        while above[-1] in self._parents:
            above.append(self._parents[above[-1]])
        return any(
            scope in above and allows(role, condition, Wanted(action=action, path=path, prefix=prefix, scope=on))
            for scope, role, condition in self._grants
        )


def permissions(assignment: Registered) -> Permissions:
    """Return what the role of an assignment allows."""
    role = assignment.inputs["roleDefinitionId"].rpartition("/")[2]
    if not role.startswith(FROM_OUTPUT):
        return BUILT_IN[role]
    own = OWN[role[1:]]
    return Permissions(actions=own.actions, data_actions=own.data_actions)


def _parent(program: Run, resource: Registered) -> str | None:
    """Return the id of what a resource is in: its account, or else the resource group."""
    group = program.one("resources:ResourceGroup").id
    account = resource.inputs.get("accountName")
    if account and not resource.token.endswith(":StorageAccount"):
        return program.one("storage:StorageAccount", account.removeprefix(FROM_OUTPUT)).id
    return group if resource.id != group else None


def changes(path: str) -> Iterator[tuple[str, str]]:
    """Yield what changes a blob."""
    for verb in ("add/action", "delete", "write"):
        yield f"{BLOBS}/{verb}", path


# What each claim of the README comes to: actions, none of which is allowed on what the claim is about.
Claim = Callable[[Rights, dict[str, str]], list[bool]]
INPUT, RECEIPT = "incoming/a.csv", "outgoing/a.csv/receipt.json"
CLAIMS: dict[str, Claim] = {
    "change a result or a receipt": lambda who, ids: [
        who.may(action, ids["files"], path=path) for action, path in changes(RECEIPT)
    ],
    "change an input": lambda who, ids: [who.may(action, ids["files"], path=path) for action, path in changes(INPUT)],
    "change an input, a result or a receipt": lambda who, ids: [
        who.may(action, ids["files"], path=path) for name in (INPUT, RECEIPT) for action, path in changes(name)
    ],
    "give a role": lambda who, ids: [
        who.may(f"Microsoft.Authorization/{kind}/write", id_)
        for kind in ("roleAssignments", "roleDefinitions")
        for id_ in ids.values()
    ],
    "create or delete a container or a queue": lambda who, ids: [
        *(who.may(f"{CONTAINERS}/{verb}", ids["files"]) for verb in ("delete", "write")),
        *(who.may(f"{QUEUES}/{verb}", ids[queue]) for verb in ("delete", "write") for queue in ("events", "jobs")),
    ],
    "create or delete the container": lambda who, ids: [
        who.may(f"{CONTAINERS}/{verb}", ids["files"]) for verb in ("delete", "write")
    ],
    "create, change, delete or enter a container group": lambda who, ids: [
        who.may(f"{GROUPS}/{verb}", ids["group"]) for verb in ("write", "delete", "containers/exec/action")
    ],
    "push an image": lambda who, ids: [
        who.may("Microsoft.ContainerRegistry/registries/push/write", ids["registry"]),
        who.may("Microsoft.ContainerRegistry/registries/listCredentials/action", ids["registry"]),
    ],
    "read an artifact": lambda who, ids: [
        who.may(f"{BLOBS}/read", ids["artifacts"], path="applications/a.zip"),
        who.may(f"{BLOBS}/read", ids["artifacts"], prefix=""),
    ],
    "read an event": lambda who, ids: [
        who.may(f"{MESSAGES}/{verb}", ids["events"]) for verb in ("process/action", "read")
    ],
    "read the vault's secrets or an account's keys": lambda who, ids: [
        who.may("Microsoft.KeyVault/vaults/secrets/getSecret/action", ids["vault"]),
        *(
            who.may("Microsoft.Storage/storageAccounts/listKeys/action", ids[account])
            for account in ("artifacts-account", "files-account", "host-account")
        ),
    ],
    "see a blob beside the two paths": lambda who, ids: [
        who.may(f"{BLOBS}/read", ids["files"], path="incoming-not/a.csv"),
        *(who.may(f"{BLOBS}/read", ids["files"], prefix=prefix) for prefix in ("", "in", "incoming", None)),
    ],
    "start or change a container group": lambda who, ids: [
        who.may(f"{GROUPS}/{verb}", ids["group"]) for verb in ("start/action", "stop/action", "write", "delete")
    ],
    "take or delete a job": lambda who, ids: [
        who.may(f"{MESSAGES}/{verb}", ids["jobs"]) for verb in ("delete", "process/action", "write")
    ],
    "take or put a message": lambda who, ids: [
        who.may(f"{MESSAGES}/{verb}", ids[queue])
        for verb in ("add/action", "delete", "process/action", "read", "write")
        for queue in ("events", "jobs")
    ],
}


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
    """Yield who cannot do what, by the README."""
    for who, _, cannot in rows(README, "| Who | can | cannot |\n"):
        for claim in cannot.split("; "):
            yield re.split(r"[ ,]", who)[0], claim


def test_the_readme_says_of_each_identity_what_it_cannot_do() -> None:
    told = list(claims())
    assert {who for who, _ in told} == set(HOLDERS)
    assert {claim for _, claim in told} == set(CLAIMS)


@pytest.mark.parametrize(("who", "claim"), list(claims()))
def test_nobody_can_do_what_the_readme_says_that_they_cannot(
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
