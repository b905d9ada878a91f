"""The canary's view of Azure: the storage account by its key, and the container groups through Resource Manager."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from infra.deployer.resource_manager import PassingError, RefusedError, ResourceManager, patiently
from infra.operate.azure_storage import AzureStorage
from infra.operate.story import gather
from infra.verification.canary import (
    BUILT_IN_CONTENT,
    BUILT_IN_NAME,
    Canary,
    CanaryError,
    CanaryStorage,
    GroupFacts,
    Groups,
    Watch,
    put_through,
)
from infra.verification.diagnosis import diagnose
from pipeline_app.contract import StorageNames, plain_etag

GROUPS_VERSION: Final = "2023-05-01"
LOG_LINES: Final = 40


class KeyedStorage(AzureStorage):
    """The application storage account, as the protocol CanaryStorage says."""

    def digest(self, name: str) -> tuple[int, str] | None:
        """Return the size in bytes and the SHA-256 in hex of a blob's content, or None."""
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in self._container.download_blob(name).chunks():
                digest.update(chunk)
                size += len(chunk)
        except ResourceNotFoundError:
            return None
        return size, digest.hexdigest()

    def remove(self, prefix: str) -> None:
        """Delete all blobs of the files container whose name starts with ``prefix``."""
        for name in [blob.name for blob in self._container.list_blobs(name_starts_with=prefix)]:
            try:
                self._container.delete_blob(name, delete_snapshots="include")
            except ResourceNotFoundError:
                # Somebody was faster, which is as good.
                continue

    def upload(self, name: str, content: bytes) -> str:
        """Upload a new blob and return its ETag without quotes."""
        return plain_etag(self._container.upload_blob(name, content).get_blob_properties().etag)


class AzureGroups:
    """The container groups of the stack by their ARM ids."""

    def __init__(self, manager: ResourceManager, group_ids: Sequence[str]) -> None:
        self._group_ids = group_ids
        self._manager = manager

    def facts(self) -> tuple[GroupFacts, ...]:
        """Return what Azure says of each; what it does not tell now is told in the place of the events."""
        return tuple(self._facts(group_id) for group_id in self._group_ids)

    def _facts(self, group_id: str) -> GroupFacts:
        name = group_id.rpartition("/")[2]
        try:
            group = self._manager.send("GET", f"{group_id}?api-version={GROUPS_VERSION}").body
        except PassingError as error:
            if error.status == 404:
                return GroupFacts(name=name, state=None)
            return GroupFacts(events=(str(error),), name=name, state="unknown")
        except RefusedError as error:
            return GroupFacts(events=(str(error),), name=name, state="unknown")
        properties = group.get("properties", {})
        containers = properties.get("containers", [])
        view = properties.get("instanceView", {})
        states = [
            state["state"]
            for container in containers
            if (state := _view(container).get("currentState")) and state.get("state")
        ]
        events = [*view.get("events", []), *(event for each in containers for event in _view(each).get("events", []))]
        return GroupFacts(
            events=tuple(_event(event) for event in sorted(events, key=_time, reverse=True)),
            log=tuple(line for container in containers for line in self._log(group_id, container["name"])),
            name=name,
            state=", ".join([*states, view.get("state") or ""]).strip(", ") or "unknown",
        )

    def _log(self, group_id: str, container: str) -> Iterator[str]:
        """Return the last lines of a container; one that never ran has none."""
        target = f"{group_id}/containers/{container}/logs?api-version={GROUPS_VERSION}&tail={LOG_LINES}"
        try:
            answer = self._manager.send("GET", target)
        except RefusedError as error:
            yield f"(its log cannot be read: {error})"
            return
        yield from str(answer.body.get("content") or "").splitlines()


@contextmanager
def keyed_storage(connection_string: str, container: str) -> Iterator[CanaryStorage]:
    """Open the account with its key."""
    with ExitStack() as stack:
        blobs = stack.enter_context(BlobServiceClient.from_connection_string(connection_string))
        queues = stack.enter_context(QueueServiceClient.from_connection_string(connection_string))
        yield KeyedStorage(blobs, queues, container)


def verify(props: Mapping[str, Any], manager: ResourceManager) -> str:
    """Put a canary through the stack that the properties of a DeployVerification describe; say what came of it.

    Raises:
        CanaryError: it did not come through; the text has its story.
        RefusedError: Azure refused the deployer something.
        azure.core.exceptions.AzureError: the account or Resource Manager does not answer.
        OperateError: the account refuses something.
    """
    key = patiently(lambda: manager.account_key(props["account_id"]))
    connection = (
        f"AccountName={props['account_id'].rpartition('/')[2]};AccountKey={key};"
        f"BlobEndpoint={props['blob_endpoint']};QueueEndpoint={props['queue_endpoint']}"
    )
    with keyed_storage(connection, props["container"]) as storage:
        return verify_through(props, storage, AzureGroups(manager, props["group_ids"]))


def verify_through(props: Mapping[str, Any], storage: CanaryStorage, groups: Groups) -> str:
    """Do the same with an open account and the container groups."""
    names = StorageNames(container=props["container"], input_path=props["input_path"], output_path=props["output_path"])

    def explain(watch: Watch) -> str:
        story = gather(watch.name, storage, names, None)
        return diagnose(watch, story, names, groups.facts(), datetime.now(UTC))

    return put_through(_canary(props), names, storage, explain)


def _canary(props: Mapping[str, Any]) -> Canary:
    """Return the file that is put through: the user's, which must be the one that the program saw, or the built-in."""
    path, content = props["file"], BUILT_IN_CONTENT
    if path:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise CanaryError(
                f"verifyFile is {path!r}, which cannot be read any more: {error}. Put it back."
            ) from error
        if hashlib.sha256(content).hexdigest() != props["file_sha256"]:
            raise CanaryError(f"verifyFile is {path!r}, which changed while the stack was deployed. Run 'pulumi up'.")
    return Canary(
        content=content,
        image=props["image"],
        must_succeed=bool(path),
        name=PurePath(path).name if path else BUILT_IN_NAME,
        seconds=props["seconds"],
    )


def _event(event: dict[str, Any]) -> str:
    return f"{event.get('lastTimestamp') or ''} {event.get('type') or ''} {event.get('message') or ''}".strip()


def _time(event: dict[str, Any]) -> str:
    return str(event.get("lastTimestamp") or "")


def _view(container: dict[str, Any]) -> dict[str, Any]:
    view = (container.get("properties") or {}).get("instanceView")
    return view if isinstance(view, dict) else {}
