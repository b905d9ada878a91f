"""A subscription whose scan for malware has made the storage account's only system topic."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.engine.deployment import Deployment, NewSite

ALERT: Final = "azure-native:monitor:MetricAlert"
TOPIC: Final = "azure-native:eventgrid:SystemTopic"


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A stack that is not there yet, in a subscription with such a scan."""
    site = new_site("defender")
    with site.cloud.open() as content:
        content["defender"] = True
    return site.deployment()


def topics(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the topics of the application's account by id."""
    resources = deployment.site.cloud.read()["resources"]
    return {
        key: each
        for key, each in resources.items()
        if each["type"] == TOPIC and "/storageAccounts/files" in each["inputs"]["source"]
    }


def test_the_first_deploy_says_that_there_is_a_topic(deployment: Deployment) -> None:
    run = deployment.try_up(continue_on_error=True)

    assert run.failed == {"uploads"}
    assert "Only one system topic is allowed per source" in run.text
    assert len(topics(deployment)) == 1


def test_with_its_name_the_deploy_ends_and_changes_nothing_of_it(deployment: Deployment) -> None:
    ((topic_id, topic),) = topics(deployment).items()
    deployment.configure(systemTopicName=topic["name"])
    deployment.up()
    resources = deployment.site.cloud.read()["resources"]

    assert topics(deployment) == {topic_id: topic}
    assert [key for key in resources if key.startswith(f"{topic_id}/eventSubscriptions/uploads-to-queue")]
    scopes = [each["inputs"]["scopes"] for each in resources.values() if each["type"] == ALERT]
    assert scopes == [[topic_id]] * 2
    assert set(deployment.preview().summary) == {"same"}


def test_a_destroy_takes_what_the_stack_made_and_the_topic_goes_with_the_resource_group(
    deployment: Deployment,
) -> None:
    ((topic_id, _),) = topics(deployment).items()
    deployment.site.cloud.take_log()
    deployment.destroy()

    assert ["delete", topic_id] not in deployment.site.cloud.take_log()
    assert deployment.site.cloud.read()["resources"] == {}


def test_a_scan_that_comes_later_finds_the_topic_of_the_stack(new_site: NewSite) -> None:
    """It adds its own subscription to the topic, which the stack leaves alone, and a destroy takes both."""
    deployment = new_site("defended-later").deployment()
    deployment.up()
    ((topic_id, topic),) = topics(deployment).items()
    with deployment.site.cloud.open() as content:
        content["resources"][f"{topic_id}/eventSubscriptions/StorageAntimalwareSubscription"] = {
            "inputs": {},
            "name": "StorageAntimalwareSubscription",
            "outputs": {},
            "type": "azure-native:eventgrid:SystemTopicEventSubscription",
        }

    assert topic["name"].startswith("uploads")
    assert set(deployment.preview().summary) == {"same"}
    deployment.destroy()
    assert deployment.site.cloud.read()["resources"] == {}
