"""The topic of the files' account and its subscription: which uploads become events, and where they stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.recording import Run, run_program


def test_events_of_finished_uploads_below_the_input_path_reach_the_queue_and_stay(program: Run) -> None:
    account = program.one("storage:StorageAccount", "files").id
    topic = program.one("eventgrid:SystemTopic")
    assert (topic.inputs["source"], topic.inputs["topicType"]) == (account, "Microsoft.Storage.StorageAccounts")
    subscription = program.one("eventgrid:SystemTopicEventSubscription").inputs
    assert subscription["destination"] == {
        "endpointType": "StorageQueue",
        "queueMessageTimeToLiveInSeconds": -1,
        "queueName": "~events",
        "resourceId": account,
    }
    assert subscription["deadLetterDestination"] == {
        "blobContainerName": "~dead-letters",
        "endpointType": "StorageBlob",
        "resourceId": account,
    }
    assert subscription["eventDeliverySchema"] == "EventGridSchema"
    assert subscription["filter"] == {
        "advancedFilters": [
            {"key": "data.api", "operatorType": "StringIn", "values": ["CopyBlob", "PutBlob", "PutBlockList"]}
        ],
        "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
        "isSubjectCaseSensitive": True,
        "subjectBeginsWith": "/blobServices/default/containers/~pipeline-files/blobs/incoming/",
    }
    assert subscription["retryPolicy"] == {"eventTimeToLiveInMinutes": 1440, "maxDeliveryAttempts": 30}


@pytest.mark.usefixtures("function_package")
def test_a_topic_that_somebody_else_made_gets_the_subscription(artifact_cache: Path) -> None:
    config = {"artifactCache": str(artifact_cache), "systemTopicName": "files0123-topic"}
    run = run_program(config)
    assert run.all("eventgrid:SystemTopic") == []
    subscription = run.one("eventgrid:SystemTopicEventSubscription").inputs
    assert subscription["systemTopicName"] == "files0123-topic"
    (asked,) = [each.args for each in run.invokes if each.token.endswith(":getSystemTopic")]
    assert asked == {"resourceGroupName": subscription["resourceGroupName"], "systemTopicName": "files0123-topic"}


@pytest.mark.usefixtures("function_package")
def test_a_topic_of_another_account_is_refused(artifact_cache: Path) -> None:
    run = Run(topic_source="/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/other")
    with pytest.raises(Exception, match=r"systemTopicName is 'files0123-topic', which is a topic of .*/other and not"):
        run_program({"artifactCache": str(artifact_cache), "systemTopicName": "files0123-topic"}, run)
