"""The settings of the Function App, read once and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pipeline_app.contract import ContractError, StorageConnection, StorageNames, require
from pipeline_app.rest.signing import connection_fields

DEFAULT_ARM_ENDPOINT: Final = "https://management.azure.com"
DEFAULT_GRACE_SECONDS: Final = "120"
DEFAULT_PAUSE_SECONDS: Final = "900"
MAX_SECONDS: Final = 86_400
JOB_ID: Final = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.App/jobs/[^/]+", re.IGNORECASE
)
GROUP_ID: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.ContainerInstance/containerGroups/(?P<name>[^/]+)",
    re.IGNORECASE,
)


class GroupId(NamedTuple):
    """The parts of a container group's resource id."""

    subscription: str
    resource_group: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The Function App's settings.

    Either ``group_ids`` has at least one resource id, or ``job_id`` has one.

    Attributes:
        account: name of the application storage account.
        arm_endpoint: URL of Azure Resource Manager, without a slash at its end.
        client_id: the user-assigned identity that starts the container groups, or looks at the job.
        connection: how to reach the application storage account.
        grace: how long an input is left to its event before the sweep looks for its receipt.
        group_ids: resource ids of the container groups that this function starts.
        job_id: resource id of the Container Apps job, which Azure starts by itself; None with container groups.
        names: container and paths.
        pause: the longest time between two passes of the sweep over all inputs, where nothing waits.
    """

    account: str
    arm_endpoint: str
    client_id: str
    connection: StorageConnection
    grace: timedelta
    group_ids: tuple[str, ...]
    job_id: str | None
    names: StorageNames
    pause: timedelta

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            ContractError: a setting is missing or wrong; the text names it.
        """
        connection = StorageConnection.from_environment(environment)
        group_ids, job_id = _runners(environment)
        return cls(
            account=account_name(connection),
            arm_endpoint=(environment.get("AZURE_RESOURCE_MANAGER_ENDPOINT") or DEFAULT_ARM_ENDPOINT).rstrip("/"),
            client_id=require(environment, "AZURE_CLIENT_ID"),
            connection=connection,
            # Azure tells the time of a change in whole seconds, so one second is the least that can be told apart.
            grace=_seconds(environment, "APP_SWEEP_GRACE_SECONDS", DEFAULT_GRACE_SECONDS, 1),
            group_ids=group_ids,
            job_id=job_id,
            names=StorageNames.from_environment(environment),
            pause=_seconds(environment, "APP_SWEEP_PAUSE_SECONDS", DEFAULT_PAUSE_SECONDS, 0),
        )


def account_name(connection: StorageConnection) -> str:
    """Return the name of the storage account that a connection leads to.

    Raises:
        ContractError: neither a connection string with ``AccountName`` nor a URI with a host.
    """
    if connection.connection_string is None:
        # The account's name is the first label of its endpoint, in every cloud and DNS zone.
        name = (urlsplit(connection.blob_service_uri or "").hostname or "").partition(".")[0]
        setting = "APP_STORAGE_CONNECTION__blobServiceUri"
    else:
        name = connection_fields(connection.connection_string).get("accountname", "")
        setting = "APP_STORAGE_CONNECTION"
    if not name:
        raise ContractError(f"{setting} does not name a storage account. Take it from the account's access keys page.")
    return name


def split_group_id(group_id: str) -> GroupId:
    """Return the parts of a container group's resource id.

    Raises:
        ContractError: it is none.
    """
    if (match := GROUP_ID.fullmatch(group_id)) is None:
        raise ContractError(
            f"APP_CONTAINER_GROUP_IDS has {group_id!r}, which is no resource id of a container group. Its form is "
            "/subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerInstance/containerGroups/…"
        )
    return GroupId(**match.groupdict())


def _runners(environment: Mapping[str, str]) -> tuple[tuple[str, ...], str | None]:
    """Return the ids of the container groups, and that of the job, of which one kind is set."""
    job_id = environment.get("APP_CONTAINER_APPS_JOB_ID", "").strip() or None
    listed = environment.get("APP_CONTAINER_GROUP_IDS", "")
    group_ids = tuple(group_id for group_id in (each.strip() for each in listed.split(",")) if group_id)
    if job_id is not None and JOB_ID.fullmatch(job_id) is None:
        raise ContractError(
            f"APP_CONTAINER_APPS_JOB_ID is {job_id!r}, which is no resource id of a Container Apps job. Its form is "
            "/subscriptions/…/resourceGroups/…/providers/Microsoft.App/jobs/…"
        )
    for group_id in group_ids:
        split_group_id(group_id)
    if (job_id is None) == (not group_ids):
        raise ContractError(
            f"APP_CONTAINER_GROUP_IDS is {listed!r} and APP_CONTAINER_APPS_JOB_ID is {job_id or ''!r}. Set at least "
            "one resource id in the former, or the one of the job in the latter, and leave the other out."
        )
    return group_ids, job_id


def _seconds(environment: Mapping[str, str], name: str, default: str, least: int) -> timedelta:
    text = environment.get(name, "").strip() or default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= MAX_SECONDS:
        raise ContractError(f"{name} is {text!r}; it must be a whole number from {least} to {MAX_SECONDS}.")
    return timedelta(seconds=int(text))
