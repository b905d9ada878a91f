"""A stack with a Container Apps job from its first preview to its end, and the change from one runner to the other."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.engine.deployment import Deployment, NewSite, Run

GROUP: Final = "azure-native:containerinstance:ContainerGroup"
JOB: Final = "azure-native:app:Job"
JOB_STACK: Final = {"runner": "containerAppsJob", "verifySeconds": "10"}


def types(deployment: Deployment) -> set[str]:
    """Return the types of what is in the cloud."""
    return {each["type"] for each in deployment.site.cloud.read()["resources"].values()}


def leave_half_done(content: dict[str, Any]) -> None:
    """Have a job on the queue that waits, and one that a worker holds."""
    (queue,) = {key for key in content["resources"] if key.endswith("/queues/jobs")}
    account = queue.partition("/storageAccounts/")[2].partition("/")[0]
    content["queues"][f"{account}/jobs"] = [{"text": "waits", "visible": True}, {"text": "held", "visible": False}]


def half_done(deployment: Deployment) -> list[str]:
    """Return the jobs on the queue."""
    queues = deployment.site.cloud.read()["queues"]
    return [each["text"] for name, messages in queues.items() if name.endswith("/jobs") for each in messages]


def of_runners(run: Run) -> dict[str, str]:
    """Return what becomes of the runners and of what goes with them."""
    named = ("roles-", "worker-1", "worker-environment", "worker-job", "worker-logs", "worker-share", "function")
    alerts = ("alerts-stuck", "alerts-unstartable")
    return {name: operation for name, operation in run.changes.items() if name.startswith((*named, *alerts))}


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A site of its own with nothing deployed yet."""
    deployment = new_site("job").deployment()
    deployment.configure(**JOB_STACK)
    return deployment


def test_a_stack_with_a_job_comes_up_as_its_preview_said_and_stays_as_it_is(deployment: Deployment) -> None:
    preview = deployment.preview()
    up = deployment.up()
    assert set(preview.changes.values()) == {"create"}
    assert up.changes == preview.changes
    assert JOB in types(deployment)
    assert GROUP not in types(deployment)
    assert set(deployment.preview().summary) == {"same"}
    assert set(deployment.up().summary) == {"same"}


def test_a_new_image_updates_the_job_in_place(deployment: Deployment) -> None:
    source = deployment.site.project / "pipeline_app" / "worker" / "loop.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n# Edited.\n", encoding="utf-8")
    preview = deployment.preview()
    up = deployment.up()
    assert up.order("worker-job") == ["update"]
    assert preview.changes == up.changes
    assert up.order("verification-canary") == ["update"]


def test_its_scale_and_its_time_are_updated_in_place(deployment: Deployment) -> None:
    deployment.configure(maxExecutions="20", pollingSeconds="60", queueLength="3", replicaTimeoutSeconds="10800")
    preview = deployment.preview()
    # The worker is told of its time, so the next file proves it.
    assert preview.changes == {"verification-canary": "update", "worker-job": "update"}


def test_another_profile_makes_a_new_environment_and_moves_the_job_there(deployment: Deployment) -> None:
    deployment.configure(workloadProfile="Consumption-GPU-NC8as-T4")
    up = deployment.up()
    assert up.changes["worker-environment"] == "replace"
    assert up.changes["worker-job"] == "replace"
    # The old environment goes last, when no job is in it any more.
    order = [name for operation, name in up.steps if operation in ("delete-replaced", "create-replacement")]
    assert order.index("worker-job") < len(order) - 1 - order[::-1].index("worker-environment")
    deployment.configure(workloadProfile="")
    deployment.up()
    assert set(deployment.preview().summary) == {"same"}


def test_the_change_to_groups_and_back_loses_nothing_and_takes_all_of_the_other_along(deployment: Deployment) -> None:
    site = deployment.site
    with site.cloud.open() as content:
        leave_half_done(content)
    before = half_done(deployment)
    assert before == ["waits", "held"]
    deployment.configure(runner="containerInstances", verifyDeploy="false")
    preview = deployment.preview()
    up = deployment.up()
    expected = {
        "alerts-stuck-scaler": "delete",
        "alerts-unstartable-group": "create",
        "function": "update",
        "function-identity-look-at-executions": "delete",
        "function-identity-start-workers": "create",
        "roles-look-at-executions": "delete",
        "roles-look-at-executions-known": "delete",
        "roles-run-groups": "create",
        "roles-run-groups-known": "create",
        "worker-1": "create",
        "worker-1-logs": "create",
        "worker-environment": "delete",
        "worker-job": "delete",
        "worker-logs": "delete",
        "worker-share": "delete",
    }
    assert of_runners(preview) == of_runners(up) == expected
    # The new one is there before the old one goes, so that nobody waits for either.
    steps = [name for _, name in up.steps if name in ("worker-1", "worker-job")]
    assert steps == ["worker-1", "worker-job"]
    assert half_done(deployment) == before
    assert JOB not in types(deployment)

    deployment.configure(runner="containerAppsJob")
    up = deployment.up()
    swapped = {"create": "delete", "delete": "create", "update": "update"}
    assert of_runners(up) == {name: swapped[operation] for name, operation in expected.items()}
    assert half_done(deployment) == before
    assert GROUP not in types(deployment)
    assert set(deployment.preview().summary) == {"same"}


def test_it_goes_with_all_that_it_made(deployment: Deployment) -> None:
    deployment.configure(protectFiles="false")
    deployment.up()
    deployment.destroy()
    assert {each for each in types(deployment) if each.startswith("azure-native:app:")} == set()
