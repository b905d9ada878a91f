"""From an uploaded blob to a message on the events queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import eventgrid

from infra.components.placement import Placement
from infra.components.storage import ApplicationStorage
from pipeline_app.contract import NEVER_EXPIRES, StorageNames

BLOB_CREATED = "Microsoft.Storage.BlobCreated"

# One upload can raise several events of this type; these are the operations that leave a complete blob behind.
COMPLETING_APIS = ("CopyBlob", "PutBlob", "PutBlockList")

DELIVERY_ATTEMPTS = 30
DELIVERY_MINUTES = 24 * 60


@dataclass(frozen=True, kw_only=True)
class UploadEventsArgs:
    """The account that is watched and takes the events, and the names in it that count as uploads.

    ``topic_name`` is the system topic that the account has already, made by somebody else in its resource group; None
    makes one.
    """

    names: StorageNames
    placement: Placement
    storage: ApplicationStorage
    topic_name: str | None


class UploadEvents(pulumi.ComponentResource):
    """A system topic of the account, and a subscription that puts each upload on the queue.

    An account has one system topic at most, whoever makes it, and any number of subscriptions. The subscription could
    be made on the account itself, which takes or makes the topic, but then nothing would say which topic that is, and
    alerts go by a topic's metrics: those of a subscription take none.
    Sources: https://learn.microsoft.com/azure/event-grid/system-topics,
    https://github.com/hashicorp/terraform-provider-azurerm/issues/18869
    """

    subscription_name: pulumi.Output[str]
    topic_id: pulumi.Output[str]
    topic_name: pulumi.Output[str]

    def __init__(self, name: str, args: UploadEventsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:UploadEvents", name, None, opts)
        topic = _found(args.topic_name, args, self) if args.topic_name else _made(name, args, self)
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


def _found(
    topic_name: str, args: UploadEventsArgs, parent: pulumi.Resource
) -> pulumi.Output[eventgrid.GetSystemTopicResult]:
    topic = eventgrid.get_system_topic_output(
        resource_group_name=args.placement.resource_group_name,
        system_topic_name=topic_name,
        opts=pulumi.InvokeOutputOptions(parent=parent),
    )

    def checked(values: list[Any]) -> Any:
        found, account_id = values
        if str(found.source).lower() != account_id.lower():
            raise ValueError(
                f"systemTopicName is {topic_name!r}, which is a topic of {found.source} and not of the application's "
                f"storage account, {account_id}. Set it to the name of that account's topic, or to '' to make one."
            )
        return found

    return pulumi.Output.all(topic, args.storage.account_id).apply(checked)


def _made(name: str, args: UploadEventsArgs, parent: pulumi.Resource) -> eventgrid.SystemTopic:
    return eventgrid.SystemTopic(
        name,
        resource_group_name=args.placement.resource_group_name,
        source=args.storage.account_id,
        tags=args.placement.tags,
        topic_type="Microsoft.Storage.StorageAccounts",
        # Event Grid answers that a topic's source cannot be modified, and takes one topic for a source.
        # Source: https://github.com/Azure/azure-quickstart-templates/issues/13688
        opts=pulumi.ResourceOptions(
            delete_before_replace=True, parent=parent, replace_on_changes=["source", "topicType"]
        ),
    )
