"""The only module that speaks to Azure: storage and container groups behind the protocols of the handlers."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, Final

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.storage.blob import BlobProperties, BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import (
    EVENTS_QUEUE,
    JOBS_QUEUE,
    LOG_SECONDS_METADATA,
    LOG_STATE_METADATA,
    LOG_WORKING,
    MAX_PEEKED,
    RECEIPT_ETAG_METADATA,
    STATE_CONTAINER,
    FileJob,
    plain_etag,
)
from pipeline_function.runners import GroupState, RunnersUnavailable, SharedRun, ensure_running
from pipeline_function.services import Backlog, InputBlob, InputPage, Progress, Services
from pipeline_function.settings import Settings, split_group_id

LOGGER = logging.getLogger(__name__)

# The SDK logs every request with its headers at level INFO, which would drown the function's own lines.
logging.getLogger("azure").setLevel(logging.WARNING)

INPUTS_PER_PAGE: Final = 2000
NEVER_EXPIRES: Final = -1
STATE_BLOB: Final = "sweep.json"
# The SDK's own first wait is 18 seconds. These are 2, 4 and 8, each a second more or less; then the event goes back.
STORAGE_RETRIES: Final = {"increment_base": 2, "initial_backoff": 0, "random_jitter_range": 1, "retry_total": 3}
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404

# The SDK waits as long as Retry-After says before each of these; then the event goes back to its queue.
RETRIES: Final = 3

_LOCK = Lock()


class AzureStorage:
    """The application storage account through the storage SDK."""

    def __init__(self, settings: Settings) -> None:
        connection = settings.connection
        retries: dict[str, Any] = dict(STORAGE_RETRIES)
        if connection.connection_string is not None:
            blobs = BlobServiceClient.from_connection_string(connection.connection_string, **retries)
            queues = QueueServiceClient.from_connection_string(connection.connection_string, **retries)
        else:
            credential = ManagedIdentityCredential(client_id=connection.client_id)
            blobs = BlobServiceClient(connection.blob_service_uri or "", credential=credential, **retries)
            queues = QueueServiceClient(connection.queue_service_uri or "", credential=credential, **retries)
        self._account = settings.account
        self._container = blobs.get_container_client(settings.names.container)
        self._events = queues.get_queue_client(EVENTS_QUEUE)
        self._jobs = queues.get_queue_client(JOBS_QUEUE)
        self._names = settings.names
        self._state = blobs.get_blob_client(STATE_CONTAINER, STATE_BLOB)

    @property
    def account(self) -> str:
        """Return the account's name."""
        return self._account

    def backlog(self) -> Backlog:
        """Look at both queues without taking anything from them."""
        # Events are looked at first: an event that becomes a job in between is then seen twice, not missed.
        oldest = [*_waiting(self._events), *_waiting(self._jobs)]
        events = self._events.get_queue_properties().approximate_message_count or 0
        moments: list[datetime] = []
        properties = self._jobs.get_queue_properties(
            raw_response_hook=lambda response: moments.append(_date(response.http_response.headers))
        )
        return Backlog(
            events=events,
            jobs=properties.approximate_message_count or 0,
            moment=moments[0],
            oldest=min(oldest, default=None),
        )

    def inputs(self, token: str | None) -> InputPage:
        """List the blobs below the input path from where ``token`` says, in the order of their names."""
        pages: Any = self._container.list_blobs(
            name_starts_with=f"{self._names.input_path}/", results_per_page=INPUTS_PER_PAGE
        ).by_page(token)
        try:
            blobs = list(next(pages))
        except StopIteration:
            return InputPage(blobs=(), next=None)
        except HttpResponseError as error:
            if token is None or error.status_code != BAD_REQUEST:
                raise
            # A token is only good for the container that gave it, which may have been restored or made anew.
            LOGGER.warning("The listing of inputs begins anew, since its token is refused: %s", error.message.strip())
            return self.inputs(None)
        return InputPage(blobs=[_input(blob) for blob in blobs], next=pages.continuation_token or None)

    def job_count(self) -> int:
        """Count the jobs, those in progress among them."""
        return self._jobs.get_queue_properties().approximate_message_count or 0

    def load_state(self) -> str | None:
        """Return what ``save_state`` was given last, or None."""
        try:
            return self._state.download_blob(encoding="utf-8").readall()
        except ResourceNotFoundError:
            return None

    def progress(self, blob: InputBlob) -> Progress:
        """Tell how far this version of an input is, by the metadata of its receipt and of its log."""
        receipt, _ = self._head(self._names.receipt_name(blob.name))
        if receipt is not None and plain_etag((receipt.metadata or {}).get(RECEIPT_ETAG_METADATA, "")) == blob.etag:
            return Progress.DONE
        log, moment = self._head(self._names.log_name(blob.name))
        if log is None or moment is None:
            return Progress.UNKNOWN
        said = log.metadata or {}
        if (said.get(LOG_STATE_METADATA), said.get(RECEIPT_ETAG_METADATA)) != (LOG_WORKING, blob.etag):
            return Progress.UNKNOWN
        # Both times are the service's, so no clock of ours has to be right.
        age = (moment - log.last_modified).total_seconds()
        believed = age < float(said.get(LOG_SECONDS_METADATA, "0"))
        return Progress.WORKING if believed else Progress.UNKNOWN

    def put(self, job: FileJob) -> None:
        """Put a job on the queue; without a time to live of its own it would be lost after 7 days."""
        self._jobs.send_message(job.encode(), time_to_live=NEVER_EXPIRES)

    def save_state(self, text: str) -> None:
        """Keep a text from one sweep to the next."""
        self._state.upload_blob(text.encode(), overwrite=True)

    def _head(self, name: str) -> tuple[BlobProperties | None, datetime | None]:
        """Return a blob's properties, or None, and when the service was asked."""
        moments: list[datetime] = []
        try:
            properties = self._container.get_blob_client(name).get_blob_properties(
                raw_response_hook=lambda response: moments.append(_date(response.http_response.headers))
            )
        except ResourceNotFoundError:
            return None, None
        return properties, moments[0]


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
        views = (container.instance_view for container in group.containers)
        return GroupState(
            provisioning=group.provisioning_state,
            state=group.instance_view.state if group.instance_view else None,
            containers=tuple(view.current_state.state if view and view.current_state else None for view in views),
        )

    def start(self, group_id: str) -> None:
        """Ask for a start; does not wait until the group runs, since the worker looks at the queue when it does."""
        _, resource_group, name = split_group_id(group_id)
        start = self._client(group_id).container_groups.begin_start
        self._post("start", group_id, lambda: start(resource_group, name, polling=False))

    def stop(self, group_id: str) -> None:
        """Ask for a stop; does not wait until the group has stopped."""
        _, resource_group, name = split_group_id(group_id)
        stop = self._client(group_id).container_groups.stop
        self._post("stop", group_id, lambda: stop(resource_group, name))

    def _post(self, verb: str, group_id: str, call: Callable[[], object]) -> None:
        try:
            call()
        except AzureError as error:
            raise _unavailable(verb, group_id, error) from error

    def _client(self, group_id: str) -> ContainerInstanceManagementClient:
        subscription = split_group_id(group_id).subscription
        if subscription not in self._clients:
            self._clients[subscription] = ContainerInstanceManagementClient(
                self._credential,
                subscription,
                base_url=self._arm_endpoint,
                connection_timeout=10,
                credential_scopes=[f"{self._arm_endpoint}/.default"],
                read_timeout=60,
                retry_total=RETRIES,
            )
        return self._clients[subscription]


def _unavailable(verb: str, group_id: str, error: AzureError) -> RunnersUnavailable:
    """Return the error for a request that was refused (busy is 409, throttled 429) or did not get through."""
    answer = f"HTTP {error.status_code}: " if isinstance(error, HttpResponseError) and error.status_code else ""
    return RunnersUnavailable(f"Could not {verb} the container group {group_id} ({answer}{error.message.strip()}).")


def _date(headers: Any) -> datetime:
    return parsedate_to_datetime(headers["date"])


def _input(blob: BlobProperties) -> InputBlob:
    return InputBlob(etag=plain_etag(blob.etag), modified=blob.last_modified, name=blob.name, size=blob.size or 0)


def _waiting(queue: QueueClient) -> list[datetime]:
    """Return when the messages at the front of a queue were put there."""
    return [message.inserted_on for message in queue.peek_messages(MAX_PEEKED) if message.inserted_on is not None]


def services() -> Services:
    """Return the services of this process, made at the first call: clients are safe to share between threads."""
    with _LOCK:
        return _services()


@functools.cache
def _services() -> Services:
    settings = Settings.from_environment(os.environ)
    storage = AzureStorage(settings)
    groups = AzureGroups(settings.arm_endpoint, ManagedIdentityCredential(client_id=settings.client_id))
    run = SharedRun(lambda: ensure_running(groups, settings.group_ids, storage.job_count))
    return Services(ensure_running=run, grace=settings.grace, names=settings.names, storage=storage)
