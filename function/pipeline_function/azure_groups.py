"""Container groups through Azure Resource Manager."""

from __future__ import annotations

from typing import Final

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient

from pipeline_function.runners import CONNECT_SECONDS, READ_SECONDS, GroupState, RunnersUnavailable
from pipeline_function.settings import split_group_id

NOT_FOUND: Final = 404


class AzureGroups:
    """Container groups through Azure Resource Manager."""

    def __init__(self, arm_endpoint: str, credential: TokenCredential) -> None:
        self._arm_endpoint = arm_endpoint
        self._credential = credential
        self._clients: dict[str, ContainerInstanceManagementClient] = {}

    def state(self, group_id: str) -> GroupState | None:
        """Return the state of a group, or None if there is no such group."""
        _, resource_group, name = split_group_id(group_id)
        groups = self._client(group_id).container_groups
        try:
            group = groups.get(resource_group, name)
        except HttpResponseError as error:
            if error.status_code == NOT_FOUND:
                return None
            raise _unavailable("read", group_id, error) from error
        except AzureError as error:
            raise _unavailable("read", group_id, error) from error
        views = [container.instance_view for container in group.containers]
        currents = [view.current_state if view else None for view in views]
        first = currents[0] if currents else None
        return GroupState(
            provisioning=group.provisioning_state,
            state=group.instance_view.state if group.instance_view else None,
            containers=tuple(current.state if current else None for current in currents),
            exit_code=first.exit_code if first else None,
            finished=first.finish_time if first else None,
        )

    def start(self, group_id: str) -> None:
        """Ask for a start; does not wait until the group runs, since the worker looks at the queue when it does.

        Azure answers 202 where it starts the group and 204 where it runs or starts already.
        Source: https://learn.microsoft.com/rest/api/container-instances/container-groups/start
        """
        _, resource_group, name = split_group_id(group_id)
        try:
            self._client(group_id).container_groups.begin_start(resource_group, name, polling=False)
        except AzureError as error:
            raise _unavailable("start", group_id, error) from error

    def _client(self, group_id: str) -> ContainerInstanceManagementClient:
        subscription = split_group_id(group_id).subscription
        if subscription not in self._clients:
            self._clients[subscription] = ContainerInstanceManagementClient(
                self._credential,
                subscription,
                base_url=self._arm_endpoint,
                connection_timeout=CONNECT_SECONDS,
                credential_scopes=[f"{self._arm_endpoint}/.default"],
                read_timeout=READ_SECONDS,
                retry_total=0,
            )
        return self._clients[subscription]


def _unavailable(verb: str, group_id: str, error: AzureError) -> RunnersUnavailable:
    """Return the error for a request that was refused (busy is 409, throttled 429) or did not get through."""
    answer = f"HTTP {error.status_code}: " if isinstance(error, HttpResponseError) and error.status_code else ""
    return RunnersUnavailable(f"Could not {verb} the container group {group_id} ({answer}{error.message.strip()}).")
