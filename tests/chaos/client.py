"""The client of the local run: it uploads, overwrites and deletes, and knows what must be there.

When storage has lost power, it does as any client of such a storage: it looks which of its acknowledged writes are
still there and makes the others again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

from pipeline_app.contract import EVENTS_QUEUE, JOBS_QUEUE, plain_etag
from tests.chaos.checking import NAMES, Version

FORGOTTEN: Final = "uploads the emulator forgot"


@dataclass(frozen=True, kw_only=True)
class Account:
    """A connected storage account."""

    events: QueueClient
    files: ContainerClient
    jobs: QueueClient


@contextmanager
def connected(connection_string: str) -> Iterator[Account]:
    """Connect to the account while the context lasts."""
    with (
        BlobServiceClient.from_connection_string(connection_string) as blobs,
        QueueServiceClient.from_connection_string(connection_string) as queues,
    ):
        yield Account(
            events=queues.get_queue_client(EVENTS_QUEUE),
            files=blobs.get_container_client(NAMES.container),
            jobs=queues.get_queue_client(JOBS_QUEUE),
        )


class Client:
    """Makes inputs; ``versions`` are those that must be there, ``earlier`` all that were overwritten or deleted."""

    def __init__(self, chance: random.Random, counts: Counter[str]) -> None:
        self.deleted: set[str] = set()
        self.earlier: list[tuple[str, str]] = []
        self.versions: dict[str, Version] = {}
        self._chance = chance
        self._counts = counts
        self._number = 0
        for row in ("files", "overwritten meanwhile", "deleted", FORGOTTEN):
            counts[row] = 0

    def create(self, files: ContainerClient) -> str:
        """Upload a new input; return its name."""
        name = f"incoming/{self._number % 7}/{self._number}.csv"
        self._counts["files"] += 1
        self._put(files, name)
        return name

    def overwrite(self, files: ContainerClient, name: str) -> None:
        """Upload an input again, with another content."""
        self._counts["overwritten meanwhile"] += 1
        self.earlier.append((name, self.versions[name].etag))
        self._put(files, name)

    def delete(self, files: ContainerClient, name: str) -> None:
        """Delete an input."""
        self._counts["deleted"] += 1
        self.earlier.append((name, self.versions.pop(name).etag))
        self.deleted.add(name)
        files.delete_blob(name)

    def some(self) -> str:
        """Return the name of one of the inputs."""
        return self._chance.choice(sorted(self.versions))

    def restore(self, files: ContainerClient) -> int:
        """Make every acknowledged write again that is not there any more; return how many there were."""
        there = {
            blob.name: plain_etag(str(blob.etag)) for blob in files.list_blobs(name_starts_with=f"{NAMES.input_path}/")
        }
        missing = [name for name, version in self.versions.items() if not _has(files, there.get(name), name, version)]
        for name in missing:
            content = self.versions[name].content
            self.versions[name] = Version(content=content, etag=_upload(files, name, content))
        undeleted = sorted(self.deleted & there.keys())
        for name in undeleted:
            files.delete_blob(name)
        return len(missing) + len(undeleted)

    def _put(self, files: ContainerClient, name: str) -> None:
        self._number += 1
        content = f"{name} version {self._number}\n".encode() + b"x" * 1000
        self.versions[name] = Version(content=content, etag=_upload(files, name, content))


def _has(files: ContainerClient, etag: str | None, name: str, version: Version) -> bool:
    if etag != version.etag:
        return False
    try:
        return bool(files.download_blob(name).readall() == version.content)
    except HttpResponseError:
        # The emulator saves what blobs there are and where their data lie at different moments.
        return False


def _upload(files: ContainerClient, name: str, content: bytes) -> str:
    return plain_etag(str(files.get_blob_client(name).upload_blob(content, overwrite=True)["etag"]))
