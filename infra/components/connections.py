"""Settings of connections that sign in by a user-assigned identity, as Azure Functions reads them."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from infra.components.identities import WorkloadIdentity
from infra.components.storage import ApplicationStorage
from pipeline_app.contract import StorageNames


def identity_connection(
    prefix: str, client_id: pulumi.Input[str], endpoints: Mapping[str, pulumi.Input[str]]
) -> dict[str, pulumi.Input[str]]:
    """Return the settings of a connection that signs in by a user-assigned identity.

    Args:
        prefix: the connection's name, such as ``APP_STORAGE_CONNECTION``.
        client_id: of the identity.
        endpoints: by service, such as ``blob``.
    """
    services: dict[str, pulumi.Input[str]] = {
        f"{prefix}__{service}ServiceUri": endpoint for service, endpoint in endpoints.items()
    }
    return services | {f"{prefix}__clientId": client_id, f"{prefix}__credential": "managedidentity"}


def storage_settings(
    storage: ApplicationStorage, names: StorageNames, identity: WorkloadIdentity
) -> dict[str, pulumi.Input[str]]:
    """Return the four ``APP_STORAGE_*`` settings, which the function and the worker share."""
    connection = identity_connection(
        "APP_STORAGE_CONNECTION",
        identity.client_id,
        {"blob": storage.blob_endpoint, "queue": storage.queue_endpoint},
    )
    return connection | {
        "APP_STORAGE_CONTAINER": storage.container_name,
        "APP_STORAGE_INPUT_PATH": names.input_path,
        "APP_STORAGE_OUTPUT_PATH": names.output_path,
    }
