"""A container group that a change replaces: it can be started at once, its logs go on, and it begins to work."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.engine.deployment import Deployment, NewSite
from tests.engine.standin.names import stable_uuid
from tests.engine.standin.roles import permissions_of

ASSIGNMENT: Final = "azure-native:authorization:RoleAssignment"
GROUP: Final = "azure-native:containerinstance:ContainerGroup"
SETTING: Final = "azure-native:monitor:DiagnosticSetting"


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A deployed stack of two groups."""
    deployment = new_site("groups").deployment()
    deployment.configure(containerGroupCount="2")
    deployment.up()
    return deployment


def resources(deployment: Deployment, token: str) -> dict[str, dict[str, Any]]:
    """Return what is in the cloud of one type, by id."""
    content = deployment.site.cloud.read()["resources"]
    return {key: each for key, each in content.items() if each["type"] == token}


def starters(deployment: Deployment) -> dict[str, set[str]]:
    """Return the assignments by which the function may start each group; a role reaches what is below its scope."""
    content = deployment.site.cloud.read()
    identity = next(key for key in content["resources"] if "/userAssignedIdentities/function-identity" in key)
    return {
        group: {
            key
            for key, each in resources(deployment, ASSIGNMENT).items()
            if each["inputs"]["principalId"] == stable_uuid(f"{identity}/principal")
            and (role := permissions_of(content, each["inputs"]["roleDefinitionId"])) is not None
            and role.allows("Microsoft.ContainerInstance/containerGroups/start/action")
            and f"{group}/".startswith(f"{each['inputs']['scope']}/")
        }
        for group in resources(deployment, GROUP)
    }


def test_whoever_starts_a_group_may_start_its_replacement_by_a_role_that_was_there_before(
    deployment: Deployment,
) -> None:
    """A new assignment is in force minutes later, and until then nothing would start the new group."""
    before = starters(deployment)
    source = deployment.site.project / "pipeline_app" / "worker" / "loop.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n# Edited.\n", encoding="utf-8")
    deployment.site.cloud.take_log()
    up = deployment.up()
    log = deployment.site.cloud.take_log()

    assert up.order("worker-1") == up.order("worker-2") == ["delete-replaced", "replace", "create-replacement"]
    made = {subject for operation, subject in log if operation == "created"}
    after = starters(deployment)
    assert len(after) == 2
    assert after.keys() <= made
    assert all(before[group] for group in after)
    assert after == before
    assert not made & {assignment for assignments in after.values() for assignment in assignments}


def settings_of_groups(deployment: Deployment) -> dict[str, Any]:
    """Return the diagnostic settings of container groups, by their ids."""
    found = resources(deployment, SETTING)
    return {key: each for key, each in found.items() if "/containerGroups/" in each["inputs"]["resourceUri"]}


def test_a_replaced_group_sends_its_logs_as_the_one_before_did(deployment: Deployment) -> None:
    before = settings_of_groups(deployment)
    deployment.configure(containerMemoryGib="3")
    deployment.site.cloud.take_log()
    deployment.up()
    log = deployment.site.cloud.take_log()
    after = settings_of_groups(deployment)

    assert len(before) == len(after) == 2
    assert before.keys().isdisjoint(after)
    for key, each in after.items():
        group = each["inputs"]["resourceUri"]
        old = next(other for other in before if other.startswith(f"{group}/"))
        # Left behind, the old one would be there again on the new group; applying one restarts the group, which has
        # hardly begun.
        steps = [["delete", old], ["delete", group], ["created", group], ["created", key], ["restart", group]]
        assert [each for each in log if each in steps] == steps


def test_what_is_told_of_a_group_does_not_change_with_it(deployment: Deployment) -> None:
    """A preview of a new group knows its id, so it announces no change of the function.

    The new groups are verified, which is what the canary is there for.
    """
    deployment.configure(containerCpu="2")
    preview = deployment.preview()

    assert preview.changes == {
        "verification-canary": "update",
        "worker-1": "replace",
        "worker-1-logs": "replace",
        "worker-2": "replace",
        "worker-2-logs": "replace",
    }
