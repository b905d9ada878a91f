"""How to reach the application storage account, as the settings of Azure Functions say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_app.contract.reading import ContractError


@dataclass(frozen=True, kw_only=True)
class StorageConnection:
    """How to reach the application storage account: a connection string, or endpoints and an identity.

    The settings follow the identity-based connections of Azure Functions: either ``APP_STORAGE_CONNECTION`` is a
    connection string, or ``APP_STORAGE_CONNECTION__blobServiceUri``, ``__queueServiceUri`` and ``__clientId`` name
    the endpoints and the user-assigned identity.
    """

    connection_string: str | None = None
    blob_service_uri: str | None = None
    queue_service_uri: str | None = None
    client_id: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StorageConnection:
        """Read ``APP_STORAGE_CONNECTION`` in either form.

        Raises:
            ContractError: neither form is complete.
        """
        name = "APP_STORAGE_CONNECTION"
        if connection_string := environment.get(name, ""):
            return cls(connection_string=connection_string)
        suffixes = ("__blobServiceUri", "__queueServiceUri", "__clientId")
        missing = [name + suffix for suffix in suffixes if not environment.get(name + suffix)]
        if missing:
            raise ContractError(
                f"{name} is not set and neither is {', '.join(missing)}. Set {name} to a connection string, or all of "
                f"{', '.join(name + suffix for suffix in suffixes)} for an identity-based connection."
            )
        blob, queue, client_id = (environment[name + suffix] for suffix in suffixes)
        return cls(blob_service_uri=blob, queue_service_uri=queue, client_id=client_id)
