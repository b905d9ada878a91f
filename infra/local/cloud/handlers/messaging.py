"""Event Grid: topics and their subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infra.local.cloud.cloud import CloudError, Declared, InvokeHandler, Properties, ResourceHandler, Scene
from infra.local.services.azurite import StorageAccount
from infra.local.services.event_subscription import Filter, Subscription, UnsupportedSubscriptionError

MAX_ATTEMPTS: Final = 30
MAX_MINUTES: Final = 1440
WEEK_SECONDS: Final = 7 * 24 * 3600


def topic(scene: Scene, declared: Declared) -> Properties:
    """Name the topic of a storage account.

    Raises:
        CloudError: there is no such account, or it has a topic.
    """
    source = declared.inputs["source"]
    _account(scene, declared, source)
    if source.lower() in {each.lower() for each in scene.machine.topics.values()}:
        raise CloudError(f"{declared.title!r} would be a second system topic of {source}. One is allowed.")
    scene.machine.topics[declared.name] = source
    return {"location": scene.location, "provisioningState": "Succeeded"}


def subscription(scene: Scene, declared: Declared) -> Properties:
    """Let events of the topic's account flow to a queue."""
    inputs = declared.inputs
    source = scene.machine.topics[inputs["systemTopicName"]]
    destination = _destination(inputs, "destination", "deliveryWithResourceIdentity")
    if not destination or destination.get("endpointType") != "StorageQueue":
        raise CloudError(f"{declared.title!r} delivers to {destination!r}; the local run delivers to storage queues.")
    dead = _destination(inputs, "deadLetterDestination", "deadLetterWithResourceIdentity")
    retry = inputs.get("retryPolicy") or {}
    try:
        chosen = Filter.read(inputs.get("filter") or {})
    except UnsupportedSubscriptionError as error:
        raise CloudError(f"{declared.title!r}: {error}") from error
    scene.machine.grid.subscribe(
        _account(scene, declared, source),
        Subscription(
            dead_letters=(_account(scene, declared, dead["resourceId"]), dead["blobContainerName"]) if dead else None,
            filter=chosen,
            max_attempts=retry.get("maxDeliveryAttempts", MAX_ATTEMPTS),
            max_minutes=retry.get("eventTimeToLiveInMinutes", MAX_MINUTES),
            name=declared.name,
            queue=(_account(scene, declared, destination["resourceId"]), destination["queueName"]),
            time_to_live=destination.get("queueMessageTimeToLiveInSeconds", WEEK_SECONDS),
            topic=source,
        ),
    )
    return {"provisioningState": "Succeeded"}


def found_topic(scene: Scene, inputs: Properties) -> Properties:
    """Refuse to find a topic, since nobody but the program makes any here.

    Raises:
        CloudError: always.
    """
    raise CloudError(
        f"There is no system topic {inputs['systemTopicName']!r}, which in Azure somebody else has made. Leave it out "
        "with -c systemTopicName=."
    )


def _account(scene: Scene, declared: Declared, resource_id: str) -> StorageAccount:
    name = resource_id.rsplit("/", 1)[-1]
    if "/Microsoft.Storage/storageAccounts/" not in resource_id or name not in scene.machine.accounts:
        raise CloudError(f"{declared.title!r} refers to {resource_id!r}, which is no storage account of this stack.")
    return scene.machine.accounts[name]


def _destination(inputs: Properties, direct: str, by_identity: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = inputs.get(direct)
    if nested := inputs.get(by_identity):
        found = nested.get(direct)
    return found


INVOKES: Final[Mapping[str, InvokeHandler]] = {"azure-native:eventgrid:getSystemTopic": found_topic}
RESOURCES: Final[Mapping[str, ResourceHandler]] = {
    "azure-native:eventgrid:SystemTopic": topic,
    "azure-native:eventgrid:SystemTopicEventSubscription": subscription,
}
