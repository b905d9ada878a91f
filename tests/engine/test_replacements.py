"""What a rename, an older stack and a change that Azure refuses do to a deployed stack."""

from __future__ import annotations

from typing import Final

import pytest

from infra.components.placement import STACK_TAG
from tests.engine.deployment import Deployment, NewSite
from tests.engine.settings import PROJECT, changed, deployed

GROUP: Final = "azure-native:resources:ResourceGroup"


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A deployed development stack."""
    return deployed(new_site, "replacements")


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
    program = deployment.site.project / "infra" / "components" / "placement.py"
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
        project / "infra" / "components" / "function_app.py": ('f"{name}-plan"', 'f"{name}-other-plan"'),
        project / "infra" / "components" / "monitoring.py": ('f"{name}-logs"', 'f"{name}-other-logs"'),
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
