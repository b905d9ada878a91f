"""What a change of each setting does to a stack, held against the table in the documentation, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from infra.placement import STACK_TAG
from tests.engine.deployment import ROOT, Deployment, NewSite, Run
from tests.infra.changed import CHANGED, LOCATION

GROUP: Final = "azure-native:resources:ResourceGroup"
PROJECT: Final = "file-processing-pipeline"
TABLE: Final = ROOT / "docs" / "changes.md"
# Set, the table is written instead of compared.
WRITE: Final = "PIPELINE_WRITE_CHANGES"

# So that each setting has something to change.
BASE: Final = {
    "alertEmails": "operations@example.com",
    "containerGroupCount": "1",
    "vaultSecretsOfficerId": "22222222-2222-3333-4444-555555555555",
}
CHANGES: Final = CHANGED | {LOCATION: "northeurope"}

# What cannot be set by itself is changed together with what it is about.
TOGETHER: Final = {"imageRegistryId": "imageReference", "resultRetentionDays": "inputRetentionDays"}
TOPIC: Final = "azure-native:eventgrid:SystemTopic"

# What holds files, jobs, artifacts and images.
HOLDERS: Final = frozenset(
    f"azure-native:{each}"
    for each in (
        "containerregistry:Registry",
        "resources:ResourceGroup",
        "storage:BlobContainer",
        "storage:FileShare",
        "storage:Queue",
        "storage:StorageAccount",
    )
)

Protected = tuple[Deployment, Run, set[str]]
Table = dict[str, list[str]]


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A deployed development stack."""
    deployment = new_site("changes").deployment()
    deployment.configure(**BASE)
    deployment.up()
    return deployment


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """The documentation's rows by setting; a test may write its own, which are kept where that is asked for."""
    text = TABLE.read_text(encoding="utf-8")
    head, _, _ = text.partition("\n| `")
    rows = {line.split("`")[1]: _cells(line)[2:] for line in text.splitlines() if line.startswith("| `")}
    if os.environ.get(WRITE):
        rows = {}
    yield rows
    if os.environ.get(WRITE):
        lines = [f"| `{key}` | {_shown(CHANGES[key])} | {' | '.join(row)} |" for key, row in sorted(rows.items())]
        TABLE.write_text(head.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def changed(deployment: Deployment, **settings: str) -> Iterator[None]:
    """Have other settings in the stack's file for a while."""
    path = _file(deployment)
    before = path.read_text(encoding="utf-8")
    content = yaml.safe_load(before)
    content["config"] |= {key if ":" in key else f"{PROJECT}:{key}": value for key, value in settings.items()}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def holders(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the resources that hold something, by their names in the program."""
    return {each["urn"].rpartition("::")[2]: each for each in deployment.resources() if each["type"] in HOLDERS}


def cells(run: Run, holding: set[str]) -> list[str]:
    """Return the row of a preview, without its setting and value."""
    by_operation: dict[str, list[str]] = {}
    for name, operation in sorted(run.changes.items()):
        by_operation.setdefault(operation, []).append(f"`{name}`")
    lost = {name for name, operation in run.changes.items() if operation in ("delete", "replace")}
    assert by_operation.keys() <= {"create", "delete", "replace", "update"}
    return [
        "refused" if lost & holding else "",
        *(", ".join(by_operation.get(operation, [])) for operation in ("replace", "delete", "create", "update")),
    ]


@contextmanager
def other_topic(deployment: Deployment) -> Iterator[None]:
    """Have a topic that systemTopicName may name: that of the account as it is now, by another name."""
    name = CHANGES["systemTopicName"]
    with deployment.site.cloud.open() as content:
        ((topic_id, topic),) = [(key, each) for key, each in content["resources"].items() if each["type"] == TOPIC]
        other_id = topic_id.replace(topic["name"], name)
        content["resources"][other_id] = topic | {"name": name}
    try:
        yield
    finally:
        with deployment.site.cloud.open() as content:
            del content["resources"][other_id]


def settings(key: str) -> dict[str, str]:
    """Return what is set to change a setting."""
    return {each: CHANGES[each] for each in (key, TOGETHER.get(key)) if each is not None}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _file(deployment: Deployment) -> Path:
    return deployment.site.project / f"Pulumi.{deployment.name}.yaml"


def _shown(value: str) -> str:
    return f"`{value}`" if value else "empty"


@pytest.mark.parametrize("key", CHANGES)
def test_a_change_of_a_setting_does_what_the_table_says(deployment: Deployment, key: str, table: Table) -> None:
    with other_topic(deployment), changed(deployment, **settings(key)):
        run = deployment.try_preview()
    assert run.error is None, run.error
    found = cells(run, set(holders(deployment)))
    if os.environ.get(WRITE):
        table[key] = found

    assert table.get(key) == found, f"The table is made anew by {WRITE}=1 pytest {Path(__file__).name}."


def test_the_table_has_every_setting_and_no_other(table: Table) -> None:
    assert set(table) == set(CHANGES)


def test_a_stack_may_be_renamed(deployment: Deployment) -> None:
    before = deployment.site.cloud.read()["resources"]
    deployment.rename("other")
    up = deployment.up()
    group = next(each for each in deployment.site.cloud.read()["resources"].values() if each["type"] == GROUP)
    deployment.rename("dev")

    assert up.changes == {PROJECT: "update"}
    assert group["inputs"]["tags"][STACK_TAG] == "other"
    assert deployment.up().changes == {PROJECT: "update"}
    assert deployment.site.cloud.read()["resources"] == before


def test_a_stack_from_before_keeps_its_resource_group(deployment: Deployment) -> None:
    """The group had the stack's name in its own; a stack that is still deployed so must not lose everything."""
    program = deployment.site.project / "infra" / "placement.py"
    now = program.read_text(encoding="utf-8")
    before = now.replace("naming.resource_group(project),", "naming.resource_group(project, stack),").replace(
        "pulumi.Alias(name=naming.resource_group(project, stack))", "pulumi.Alias(name=naming.resource_group(project))"
    )
    assert before.count("project, stack") == now.count("project, stack") == 1
    program.write_text(before, encoding="utf-8")
    assert set(deployment.up().summary) == {"same"}
    assert f"{PROJECT}-dev" in {each["urn"].rpartition("::")[2] for each in deployment.resources()}
    program.write_text(now, encoding="utf-8")

    assert set(deployment.preview().summary) == {"same"}
    assert set(deployment.up().summary) == {"same"}


def test_what_azure_refuses_to_change_is_made_anew(deployment: Deployment) -> None:
    """A new account is another source and scope, a new workspace another scope, a new plan another place to run."""
    project = deployment.site.project
    edits = {
        project / "infra" / "function_app.py": ('f"{name}-plan"', 'f"{name}-other-plan"'),
        project / "infra" / "monitoring.py": ('f"{name}-logs"', 'f"{name}-other-logs"'),
    }
    for path, (old, new) in edits.items():
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
    with changed(
        deployment, appStorageAccountName="movedfiles", vaultRetentionDays="90", vaultSecretsOfficerType="Group"
    ):
        up = deployment.up()
        again = deployment.preview()
    replaced = {name for name, operation in up.changes.items() if operation == "replace"}

    assert replaced >= {
        "alerts-backlog",
        "alerts-dropped-events",
        "files",
        "function",
        "uploads",
        "uploads-to-queue",
        "vault-secrets-officer",
    }
    assert not {"vault", "registry", "artifacts"} & up.changes.keys()
    assert set(again.summary) == {"same"}


def test_the_name_of_a_destroyed_vault_is_held_until_it_is_purged(deployment: Deployment) -> None:
    for name in ("named-vault", "other-vault"):
        with changed(deployment, vaultName=name):
            deployment.up()
    with changed(deployment, vaultName="named-vault"):
        refused = deployment.try_up()
        with deployment.site.cloud.open() as content:
            content["vaults"].remove("named-vault")
        assert deployment.up().error is None

    assert refused.error is not None
    assert "already exists in deleted state" in refused.error


@pytest.fixture(scope="module")
def protected(deployment: Deployment) -> Protected:
    """The stack with its files protected, what that did, and what it asked of Azure."""
    # The tests before may have left something to be put right.
    deployment.up()
    deployment.configure(protectFiles="true")
    deployment.site.cloud.take_log()
    up = deployment.up()
    return deployment, up, {operation for operation, _ in deployment.site.cloud.take_log()}


def test_protection_changes_nothing_in_azure(protected: Protected) -> None:
    deployment, up, asked = protected

    assert set(up.summary) == {"same"}
    assert asked == {"invoke"}
    assert {name: each.get("protect") for name, each in holders(deployment).items()} == dict.fromkeys(
        holders(deployment), True
    )


@pytest.mark.parametrize("key", sorted(key for key in CHANGES if "Name" in key or "Container" in key or key == "tags"))
def test_a_preview_refuses_to_replace_what_is_protected_and_nothing_else(
    protected: Protected, key: str, table: Table
) -> None:
    deployment = protected[0]
    values = settings(key)
    if key not in ("deletedContainerDays", "systemTopicName", "tags"):
        # The tests before have given some of the table's names.
        values[key] += "2"
    with other_topic(deployment), changed(deployment, **values):
        preview = deployment.try_preview()

    assert (preview.error is not None) == (table[key][0] == "refused")
    if preview.error is not None:
        assert "as it is currently marked for protection" in preview.text


def test_an_update_that_would_replace_what_is_protected_leaves_it(
    protected: Protected,
) -> None:
    deployment = protected[0]
    before = held(deployment)
    with changed(deployment, storageContainer="other-files", protectFiles="true"):
        assert deployment.try_up().error is not None

    assert held(deployment) == before
    assert deployment.up().error is None


def test_protected_files_outlast_a_destroy_until_they_are_given_free(
    protected: Protected,
) -> None:
    deployment = protected[0]
    before = held(deployment)
    destroy = deployment.try_destroy()

    assert destroy.error is not None
    assert "because it is protected" in destroy.text
    assert "pulumi state unprotect" in destroy.text
    assert held(deployment) == before
    deployment.up()
    deployment.configure(protectFiles="false")
    deployment.up()
    deployment.destroy()
    assert deployment.site.cloud.read()["resources"] == {}


def held(deployment: Deployment) -> set[str]:
    """Return the ids of what holds something in the cloud."""
    return {key for key, each in deployment.site.cloud.read()["resources"].items() if each["type"] in HOLDERS}
