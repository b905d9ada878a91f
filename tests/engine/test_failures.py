"""Deploys that fail on the way: the next one goes on from there, and ends where an undisturbed one does."""

from __future__ import annotations

import pytest

from tests.engine.comparison import comparable_cloud, comparable_state
from tests.engine.deployment import Deployment, FirstDeploy, NewSite
from tests.engine.standin.cloud import Fault

BLOB = "azure-native:storage:Blob"

# It asks nothing of the cloud.
WAIT = "pulumi-python:dynamic/authorization:RoleWait"


@pytest.mark.parametrize("fault", ["after", "before"])
def test_a_deploy_that_fails_at_each_resource_converges(
    first_deploy: FirstDeploy, new_site: NewSite, fault: Fault
) -> None:
    """Let the first creation of every resource fail, and deploy until it succeeds.

    Each deploy goes on where it can, so that all resources whose turn has come fail in it. A blob fails only before
    it is there: the provider itself refuses one whose upload's answer got lost.
    """
    subjects = sorted(
        name
        for name, each in first_deploy.state.items()
        if each["type"] != WAIT and (fault == "before" or each["type"] != BLOB)
    )
    deployment = new_site(f"failing-{fault}").deployment()
    cloud = deployment.site.cloud
    cloud.fail_once(fault, subjects)
    failed: list[str] = []
    while (run := deployment.try_up(continue_on_error=True)).error is not None:
        assert run.failed == set(cloud.failed()) - set(failed), run.error
        failed = cloud.failed()

    made = [subject for operation, subject in cloud.take_log() if operation == "created"]
    assert sorted(failed) == subjects
    assert comparable_state(deployment) == first_deploy.state
    assert comparable_cloud(deployment) == first_deploy.cloud
    assert len(made) == len(set(made)) == sum(each["type"].startswith("azure-") for each in first_deploy.state.values())


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A stack that is not there yet."""
    return new_site("failing").deployment()


def test_nothing_is_made_before_its_roles(deployment: Deployment) -> None:
    """Creating a group runs it, and an app fetches its code by its roles: both have to wait for them."""
    cloud = deployment.site.cloud
    cloud.fail_once("before", ["function-identity-package", "worker-identity-pull-image"])
    first = deployment.try_up(continue_on_error=True)
    cloud.fail_once("before", ["function-identity-package"])
    second = deployment.try_up(continue_on_error=True)

    assert first.failed == {"function-identity-package", "worker-identity-pull-image"}
    assert not first.changes.keys() & {"function", "worker-1"}
    assert second.failed == {"function-identity-package"}
    assert second.changes.keys() >= {"worker-1", "worker-identity-pull-image"}
    assert "function" not in second.changes


def test_a_replacement_that_fails_half_way_is_ended_by_the_next_deploy(
    deployment: Deployment, first_deploy: FirstDeploy
) -> None:
    """The group is gone and the new one does not come up: the next deploy makes it, without a word by hand."""
    cloud = deployment.site.cloud
    deployment.up()
    deployment.configure(containerCpu="2")
    cloud.fail_once("before", ["worker-1"])
    assert deployment.try_up().failed == {"worker-1"}
    assert not [each for each in cloud.ids() if each.endswith("/containerGroups/worker-1")]

    deployment.up()

    groups = [each for each in cloud.read()["resources"].values() if each["type"].endswith(":ContainerGroup")]
    assert [each["inputs"]["containers"][0]["resources"]["requests"]["cpu"] for each in groups] == [2]
    assert comparable_cloud(deployment)["resources"].keys() == first_deploy.cloud["resources"].keys()
    assert set(deployment.preview().summary) == {"same"}


def test_a_wrong_configuration_is_told_in_sentences_alone(new_site: NewSite) -> None:
    deployment = new_site("wrong").deployment()
    deployment.configure(appInstallerFile="setup.sh", inputPath="files", outputPath="files/done")
    run = deployment.try_preview()

    assert run.error is not None
    assert "results would count as inputs" in run.error
    assert "appInstallerFile is 'setup.sh'" in run.error
    assert "Traceback" not in run.error
    assert "unhandled exception" not in run.error
