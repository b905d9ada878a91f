"""The stack's own roles: made before they are given, known when they are, and gone with the stack."""

from __future__ import annotations

from tests.engine.deployment import NewSite
from tests.engine.settings import changed
from tests.engine.standin.roles import ASSIGNMENT, DEFINITION


def test_a_role_that_is_not_known_at_once_is_waited_for_and_given(new_site: NewSite) -> None:
    site = new_site("known")
    deployment = site.deployment()
    deployment.configure(roleWaitSeconds="4", verifyDeploy="false")
    with site.cloud.open() as content:
        content["definition_seconds"] = 3
    deployment.up()
    assert deployment.preview().changes == {}
    # With the roles go all who have them, and the roles after these: nothing is left in the tenant.
    deployment.destroy()
    assert site.cloud.ids() == set()


def test_who_may_make_no_role_is_told_which_right_is_missing_and_can_do_without(new_site: NewSite) -> None:
    site = new_site("built-in")
    deployment = site.deployment()
    deployment.configure(verifyDeploy="false")
    with site.cloud.open() as content:
        content["may_define_roles"] = False
    run = deployment.try_up()
    assert run.error is not None
    assert "Microsoft.Authorization/roleDefinitions/write" in run.error
    with changed(deployment, customRoles="false"):
        deployment.up()
        kinds = [each["type"] for each in site.cloud.read()["resources"].values()]
        assert DEFINITION not in kinds
        assert ASSIGNMENT in kinds


def test_a_workload_keeps_the_role_that_it_has_until_it_has_the_next(new_site: NewSite) -> None:
    site = new_site("keeps")
    deployment = site.deployment()
    deployment.configure(customRoles="false", verifyDeploy="false")
    deployment.up()
    site.cloud.take_log()
    with changed(deployment, customRoles="true"):
        deployment.up()
        steps = [
            operation
            for operation, subject in site.cloud.take_log()
            if "/roleAssignments/" in subject and operation in ("created", "delete")
        ]
        assert steps == ["created"] * 4 + ["delete"] * 4
        assert deployment.preview().changes == {}


def test_another_path_changes_the_worker_s_condition_in_place(new_site: NewSite) -> None:
    site = new_site("paths")
    deployment = site.deployment()
    deployment.configure(verifyDeploy="false")
    deployment.up()
    with changed(deployment, inputPath="inbox"):
        assert deployment.preview().changes["worker-identity-files"] == "update"
        deployment.up()
        (condition,) = (
            each["inputs"]["condition"]
            for each in site.cloud.read()["resources"].values()
            if each["type"] == ASSIGNMENT and "condition" in each["inputs"]
        )
        assert "StringStartsWith 'inbox/'" in condition
