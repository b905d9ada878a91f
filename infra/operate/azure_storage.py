"""The one module here that speaks to Azure: the storage account through its SDK."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.storage.blob import BlobClient, BlobProperties, BlobServiceClient
from azure.storage.queue import QueueServiceClient

from infra.operate.places import Place
from infra.operate.properties import plain
from infra.operate.storage import Blob, OperateError, OverwrittenError, Page, Peeked
from infra.settings.naming import DEAD_LETTER_CONTAINER
from pipeline_app.contract import JOBS_QUEUE, MAX_PEEKED, NEVER_EXPIRES, FileJob, plain_etag
from pipeline_app.worker.holds import LEASED_CODES, explain, lease_of

COPY_POLL_SECONDS: Final = 0.5
FORBIDDEN: Final = 403
NEWEST_DEAD_LETTERS: Final = 200

_LEASE: Final = ("status", "state", "duration")

# A person waits for the answer, so what is not there is told soon.
_CLIENT_OPTIONS: Final[dict[str, Any]] = {"connection_timeout": 10, "initial_backoff": 1, "retry_total": 2}


class AzureStorage:
    """The application storage account, as the protocol Storage says.

    What one call is refused is an OperateError of that call, so that whoever goes through several names can go on.
    """

    def __init__(
        self, blobs: BlobServiceClient, queues: QueueServiceClient, container: str, *, local: bool = False
    ) -> None:
        """Take the services and the files container; ``local`` says that a local run serves them."""
        self._container = blobs.get_container_client(container)
        self._dead_letters = blobs.get_container_client(DEAD_LETTER_CONTAINER)
        self._local = local
        self._queues = queues

    def dead_letters(self) -> Iterator[str]:
        """Return the content of the newest dead-letter blobs."""
        with _explained(self._local):
            blobs = sorted(self._dead_letters.list_blobs(), key=lambda blob: blob.last_modified, reverse=True)
            for blob in blobs[:NEWEST_DEAD_LETTERS]:
                with contextlib.suppress(ResourceNotFoundError):
                    yield self._dead_letters.download_blob(blob.name).readall().decode("utf-8", "replace")

    def find(self, name: str) -> Blob | None:
        """Return a blob, or None."""
        with _explained(self._local):
            try:
                return self._blob(name, self._container.get_blob_client(name).get_blob_properties())
            except ResourceNotFoundError:
                return None

    def list(self, prefix: str) -> Iterator[Blob]:
        """Iterate over the blobs whose name starts with ``prefix``."""
        with _explained(self._local):
            for properties in self._container.list_blobs(include=["metadata"], name_starts_with=prefix):
                yield self._blob(properties.name, properties)

    def page(self, prefix: str, start: str) -> Page:
        """Return a page of the blobs whose name starts with ``prefix``, from ``start`` on."""
        with _explained(self._local):
            found = self._container.list_blobs(include=["metadata"], name_starts_with=prefix, start_from=start)
            pages: Any = found.by_page()
            blobs = tuple(self._blob(properties.name, properties) for properties in next(pages, ()))
            return Page(blobs=blobs, more=bool(pages.continuation_token))

    def peek(self, queue: str) -> Peeked:
        """Look at a queue without taking anything from it."""
        with _explained(self._local):
            client = self._queues.get_queue_client(queue)
            texts = tuple(str(message.content) for message in client.peek_messages(max_messages=MAX_PEEKED))
            return Peeked(texts=texts, total=client.get_queue_properties().approximate_message_count or 0)

    def put(self, job: FileJob) -> None:
        """Put a job on the queue; without a time to live of its own it would be lost after 7 days."""
        with _explained(self._local):
            self._queues.get_queue_client(JOBS_QUEUE).send_message(job.encode(), time_to_live=NEVER_EXPIRES)

    def read(self, name: str) -> str | None:
        """Return the content of a blob as text, or None."""
        with _explained(self._local):
            try:
                return self._container.download_blob(name).readall().decode("utf-8", "replace")
            except ResourceNotFoundError:
                return None

    def renew(self, blob: Blob) -> str:
        """Copy a blob onto itself.

        Azure allows that for any block blob, however it was put up: content, properties and metadata stay, no data is
        moved, and the blob gets a new ETag and raises BlobCreated with the API CopyBlob. Tags and a tier of its own
        would get lost and are named for that.

        Source: https://learn.microsoft.com/rest/api/storageservices/copy-blob
        """
        with _explained(self._local):
            return self._copied_onto_itself(blob)

    def _blob(self, name: str, properties: BlobProperties) -> Blob:
        return Blob(
            archive_status=plain(properties.archive_status),
            etag=plain_etag(properties.etag),
            held=self._held(name, properties),
            kind=plain(properties.blob_type) or "BlockBlob",
            metadata=dict(properties.metadata or {}),
            modified=properties.last_modified,
            name=name,
            size=properties.size or 0,
            tier=plain(properties.blob_tier),
        )

    def _held(self, name: str, properties: BlobProperties) -> str | None:
        """Return why a blob cannot be changed, as far as its own properties tell; a container's policy is not there."""
        code, lease = "LeaseIdMissing", lease_of(*(plain(properties.lease[each]) for each in _LEASE))
        if not lease and properties.has_legal_hold:
            code = "BlobImmutableDueToLegalHold"
        elif not lease and (until := properties.immutability_policy.expiry_time) and until > datetime.now(UTC):
            code = "BlobImmutableDueToPolicy"
        elif not lease:
            return None
        return explain(name, str(self._container.container_name), code, lease)

    def _copied_onto_itself(self, blob: Blob) -> str:
        client = self._container.get_blob_client(blob.name)
        condition = f'"{blob.etag}"'
        try:
            answer = client.start_copy_from_url(
                client.url,
                etag=condition,
                match_condition=MatchConditions.IfNotModified,
                source_etag=condition,
                source_match_condition=MatchConditions.IfNotModified,
                **_kept(client),
            )
        except HttpResponseError as error:
            code = str(plain(getattr(error, "error_code", None)))
            if code in LEASED_CODES or code.startswith("BlobImmutable"):
                # The first that holds it may be over, and what holds it now is what counts.
                held = self._held(blob.name, client.get_blob_properties())
                reason = held or explain(blob.name, str(self._container.container_name), code)
                raise OperateError(f"{blob.name!r} cannot become a new version: {reason} Then 'retry' it.") from error
            if isinstance(error, (ResourceModifiedError, ResourceNotFoundError)):
                raise OverwrittenError(blob.name) from error
            raise
        etag, status = str(answer["etag"]), str(answer["copy_status"])
        while status == "pending":
            time.sleep(COPY_POLL_SECONDS)
            properties = client.get_blob_properties()
            etag, status = str(properties.etag), str(properties.copy.status)
        if status != "success":
            raise OperateError(f"Copying {blob.name!r} onto itself ended as {status!r}. Upload the file again.")
        return plain_etag(etag)


@contextlib.contextmanager
def connect(place: Place) -> Iterator[AzureStorage]:
    """Open a pipeline's storage account, with its key or as who is signed in on this machine.

    Raises:
        OperateError: for whatever the service or the network refuses, inside of the context as well.
    """
    local = place.connection_string is not None
    with _explained(local), contextlib.ExitStack() as stack:
        if place.connection_string:
            blobs = BlobServiceClient.from_connection_string(place.connection_string, **_CLIENT_OPTIONS)
            queues = QueueServiceClient.from_connection_string(place.connection_string, **_CLIENT_OPTIONS)
        else:
            # Importing the identity library takes its time, and a local run has no identity.
            from azure.identity import DefaultAzureCredential

            credential = stack.enter_context(DefaultAzureCredential())
            blobs = BlobServiceClient(place.blob_endpoint or "", credential=credential, **_CLIENT_OPTIONS)
            queues = QueueServiceClient(place.queue_endpoint or "", credential=credential, **_CLIENT_OPTIONS)
        stack.enter_context(blobs)
        stack.enter_context(queues)
        yield AzureStorage(blobs, queues, place.names.container, local=local)


@contextlib.contextmanager
def _explained(local: bool) -> Iterator[None]:
    """Turn whatever the service or the network refuses into a sentence that says what to do."""
    try:
        yield
    except AzureError as error:
        raise OperateError(_explanation(error, local)) from error


def _explanation(error: AzureError, local: bool) -> str:
    text = (error.message or type(error).__name__).strip().splitlines()[0]
    if isinstance(error, ClientAuthenticationError):
        return f"Nobody is signed in who may use the account: {text} Run 'az login'."
    if isinstance(error, HttpResponseError) and error.status_code == FORBIDDEN:
        return (
            f"The storage account refuses this: {text} You need Storage Blob Data Contributor and Storage Queue Data "
            "Contributor on it (for explain, Storage Blob Data Reader and Storage Queue Data Reader)."
        )
    if isinstance(error, ServiceRequestError):
        end = "Is the local run still there?" if local else "Is its firewall closed to this machine?"
        return f"The storage account does not answer: {text} {end}"
    if isinstance(error, HttpResponseError):
        # The answer to a HEAD has no text but its status, and its code in a header.
        said = [error.status_code, plain(getattr(error, "error_code", None)), text]
        text = " ".join(str(each) for each in said if each)
    return f"The storage account answered with an error: {text}"


def _kept(client: BlobClient) -> dict[str, Any]:
    """Return what a copy would not keep by itself: the tags, and a tier that was set on the blob."""
    properties = client.get_blob_properties()
    kept: dict[str, Any] = {}
    if properties.tag_count:
        kept["tags"] = client.get_blob_tags()
    if (tier := plain(properties.blob_tier)) and not properties.blob_tier_inferred:
        # The library answers with a text and asks for a member of its enumeration, which has no newer tiers.
        kept["headers"] = {"x-ms-access-tier": tier}
    return kept
