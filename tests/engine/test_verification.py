"""A deploy ends with a file that went through the pipeline, and fails with that file's story where it did not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.deployment import Deployment, FirstDeploy, NewSite
from tests.engine.standin.pipeline import MESSAGES
from tests.engine.standin.roles import BLOBS, permissions_of

CANARY = "verification-canary"
ROLE = "azure-native:authorization:RoleAssignment"

Content = dict[str, Any]


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A deployed stack whose canary has ten seconds."""
    deployment = new_site("verified").deployment()
    deployment.configure(verifySeconds="10")
    deployment.up()
    return deployment


def without(*ends: str) -> Callable[[Content], None]:
    """Delete the resources whose ids have one of these parts, behind the stack's back."""

    def change(content: Content) -> None:
        gone = [each for each in content["resources"] if any(end in each for end in ends)]
        assert gone
        for each in gone:
            del content["resources"][each]

    return change


def without_role(action: str, scope: str) -> Callable[[Content], None]:
    """Take a role away that allows something."""

    def change(content: Content) -> None:
        gone = [
            key
            for key, each in content["resources"].items()
            if each["type"] == ROLE
            and (role := permissions_of(content, each["inputs"]["roleDefinitionId"])) is not None
            and action in (*role.actions, *role.data_actions)
            and scope in each["inputs"]["scope"]
        ]
        assert gone
        for each in gone:
            del content["resources"][each]

    return change


def broken(word: str) -> Callable[[Content], None]:
    """Break what is no resource."""
    return lambda content: content["broken"].append(word)


def test_a_first_deploy_is_verified_and_leaves_nothing_of_it(first_deploy: FirstDeploy) -> None:
    uploads = [subject for operation, subject in first_deploy.up_requests if operation == "upload"]
    assert len(uploads) == 1
    assert first_deploy.up.order(CANARY) == ["create"]
    content = first_deploy.deployment.site.cloud.read()
    assert content["blobs"] == {}
    assert not any(content["queues"].values())


def test_what_changes_nothing_of_the_pipeline_is_not_verified_again(deployment: Deployment) -> None:
    deployment.configure(verifySeconds="11", alertFailedFiles="11")
    assert CANARY not in deployment.up().changes
    deployment.configure(verifySeconds="10")


@pytest.mark.parametrize(
    ("breaks", "sentences"),
    [
        pytest.param(without("/eventSubscriptions/"), ["No event of the upload arrived"], id="events"),
        pytest.param(
            without_role(f"{MESSAGES}/process/action", "queues/events"),
            ["Its event waits in the queue 'events'", "roles of its identity"],
            id="function's role",
        ),
        pytest.param(broken("code"), ["put aside in the queue 'events-poison'"], id="function's code"),
        pytest.param(
            without_role("Microsoft.ContainerInstance/containerGroups/start/action", ""),
            ["Its job waits in the queue 'jobs'", "not started"],
            id="role to start",
        ),
        pytest.param(
            lambda content: content["images"].clear(),
            ["Failed to pull image", "AcrPull"],
            id="image",
        ),
        pytest.param(without("/shares/"), ["Failed to mount", "The file share cannot be mounted"], id="share"),
        pytest.param(
            without_role(f"{BLOBS}/write", "/containers/pipeline-files"),
            ["AuthorizationPermissionMismatch", "may not use the storage account"],
            id="worker's role",
        ),
        pytest.param(without("/containerGroups/"), ["The container group worker-1 does not exist"], id="group"),
        pytest.param(broken("application"), ["exit code 3", "the file that verifyFile names"], id="application"),
    ],
)
def test_a_deploy_that_cannot_work_fails_with_the_file_s_story(
    deployment: Deployment, breaks: Callable[[Content], None], sentences: list[str], request: pytest.FixtureRequest
) -> None:
    """What is broken is mended afterwards, and the next deploy is through."""
    cloud = deployment.site.cloud
    whole = cloud.read()
    # Another file is reason enough to verify.
    file = deployment.site.project / "canary.csv"
    file.write_text(f"of,{request.node.name}\n", encoding="utf-8")
    deployment.configure(verifyFile="canary.csv")
    with cloud.open() as content:
        breaks(content)

    run = deployment.try_up()

    assert run.failed == {CANARY}
    for sentence in [*sentences, "'pulumi up' tries again"]:
        assert sentence in run.text
    with cloud.open() as content:
        assert content["blobs"] == {}
        for key in ("broken", "images", "queues", "resources"):
            content[key] = whole[key]
    assert deployment.up().changes.keys() == {CANARY}


def test_without_it_nothing_is_put_through(deployment: Deployment) -> None:
    deployment.configure(verifyDeploy="false")
    deployment.site.cloud.take_log()
    assert deployment.up().changes == {CANARY: "delete"}
    assert not [subject for operation, subject in deployment.site.cloud.take_log() if operation == "upload"]
