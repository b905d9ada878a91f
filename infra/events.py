"""From an uploaded blob to a message on the events queue."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import eventgrid

from infra.placement import Placement
from infra.storage import ApplicationStorage
from pipeline_app.contract import StorageNames

BLOB_CREATED = "Microsoft.Storage.BlobCreated"

# One upload can raise several events of this type; these are the operations that leave a complete blob behind.
COMPLETING_APIS = ("CopyBlob", "PutBlob", "PutBlockList")

DELIVERY_ATTEMPTS = 30
DELIVERY_MINUTES = 24 * 60
NEVER_EXPIRES = -1


@dataclass(frozen=True, kw_only=True)
class UploadEventsArgs:
    """The account that is watched and takes the events, and the names in it that count as uploads."""

    names: StorageNames
    placement: Placement
    storage: ApplicationStorage


class UploadEvents(pulumi.ComponentResource):
    """A system topic of the account, and a subscription that puts each upload on the queue."""

    subscription_name: pulumi.Output[str]
    topic_id: pulumi.Output[str]
    topic_name: pulumi.Output[str]

    def __init__(self, name: str, args: UploadEventsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:UploadEvents", name, None, opts)
        topic = eventgrid.SystemTopic(
            name,
            resource_group_name=args.placement.resource_group_name,
            source=args.storage.account_id,
            tags=args.placement.tags,
            topic_type="Microsoft.Storage.StorageAccounts",
            # Event Grid answers that a topic's source cannot be modified, and takes one topic for a source.
            # Source: https://github.com/Azure/azure-quickstart-templates/issues/13688
            opts=pulumi.ResourceOptions(
                delete_before_replace=True, parent=self, replace_on_changes=["source", "topicType"]
            ),
        )
        subscription = eventgrid.SystemTopicEventSubscription(
            f"{name}-to-queue",
            dead_letter_destination=eventgrid.StorageBlobDeadLetterDestinationArgs(
                blob_container_name=args.storage.dead_letter_container_name,
                endpoint_type="StorageBlob",
                resource_id=args.storage.account_id,
            ),
            destination=eventgrid.StorageQueueEventSubscriptionDestinationArgs(
                endpoint_type="StorageQueue",
                queue_message_time_to_live_in_seconds=NEVER_EXPIRES,
                queue_name=args.storage.events_queue_name,
                resource_id=args.storage.account_id,
            ),
            event_delivery_schema=eventgrid.EventDeliverySchema.EVENT_GRID_SCHEMA,
            filter=eventgrid.EventSubscriptionFilterArgs(
                advanced_filters=[
                    eventgrid.StringInAdvancedFilterArgs(
                        key="data.api", operator_type="StringIn", values=list(COMPLETING_APIS)
                    )
                ],
                included_event_types=[BLOB_CREATED],
                is_subject_case_sensitive=True,
                subject_begins_with=pulumi.Output.format(
                    "/blobServices/default/containers/{0}/blobs/{1}/",
                    args.storage.container_name,
                    args.names.input_path,
                ),
            ),
            resource_group_name=args.placement.resource_group_name,
            retry_policy=eventgrid.RetryPolicyArgs(
                event_time_to_live_in_minutes=DELIVERY_MINUTES, max_delivery_attempts=DELIVERY_ATTEMPTS
            ),
            system_topic_name=topic.name,
            # Source: https://github.com/MicrosoftDocs/azure-docs/issues/17010
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["eventDeliverySchema"]),
        )
        self.subscription_name = subscription.name
        self.topic_id = topic.id
        self.topic_name = topic.name
        self.register_outputs({"subscription_name": self.subscription_name, "topic_name": self.topic_name})
