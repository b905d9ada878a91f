"""Taking a stack down, whole or half made, and putting it up again; and two stacks side by side."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.deployment import Deployment, NewSite
from tests.engine.standin.cloud import Fault


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A stack that two deploys left half made: first a config file fails, then the group that waited for it."""
    deployment = new_site("teardown").deployment()
    steps: list[tuple[Fault, str]] = [("before", "worker-config-config-runtime.json"), ("after", "worker-1")]
    for fault, name in steps:
        deployment.site.cloud.fail_once(fault, [name])
        assert deployment.try_up(continue_on_error=True).failed == {name}
        made = [each for each in deployment.site.cloud.ids() if each.endswith("/containerGroups/worker-1")]
        assert len(made) == (fault == "after")
    return deployment


def test_a_destroy_after_a_failed_deploy_leaves_nothing_but_the_vaults_name(deployment: Deployment) -> None:
    assert deployment.site.cloud.ids()
    deployment.destroy()

    assert_empty(deployment)


def test_an_update_after_a_destroy_works_though_the_vaults_name_is_held(deployment: Deployment) -> None:
    held = deployment.site.cloud.read()["vaults"]
    deployment.up()

    assert held
    assert set(deployment.preview().summary) == {"same"}


def test_a_second_stack_of_the_project_lives_beside_the_first(deployment: Deployment) -> None:
    cloud = deployment.site.cloud
    first = cloud.read()["resources"]
    second = deployment.site.deployment("second")
    second.configure(**{"azure-native:location": "northeurope", "protectFiles": "false"})
    second.up()
    assert len(cloud.ids()) > len(first)
    assert changed(first, cloud.read()["resources"]) == []
    assert set(deployment.preview().summary) == {"same"}

    second.destroy()

    assert cloud.read()["resources"] == first


def test_a_destroy_leaves_nothing_but_the_vaults_names(deployment: Deployment) -> None:
    deployment.destroy()

    assert_empty(deployment)


def assert_empty(deployment: Deployment) -> None:
    """See that neither the cloud nor the state holds anything."""
    content = deployment.site.cloud.read()

    assert content["resources"] == {}
    assert content["images"] == {}
    assert deployment.resources() == []


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the ids of what is gone or no longer as it was."""
    return [key for key, each in before.items() if now.get(key) != each]
