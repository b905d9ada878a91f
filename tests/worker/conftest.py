"""What the tests of the worker share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from pipeline_app.contract import StorageConnection
from pipeline_app.worker import azure_ranges
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_storage import connect
from pipeline_app.worker.confinement.privileges import adopt_orphans
from tests.worker.azure_files import LARGE
from tests.worker.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Make a worker on fake storage."""
    world = World(tmp_path, monkeypatch)
    yield world
    world.close()


@pytest.fixture
def container(connection_string: str) -> Iterator[str]:
    name = f"c{uuid.uuid4().hex}"
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        blobs.create_container(name)
        yield name


@pytest.fixture
def store(connection_string: str, container: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureBlobStore]:
    monkeypatch.setattr(azure_ranges, "RANGE_BYTES", 2 * LARGE)
    monkeypatch.setattr(azure_ranges, "SINGLE_BYTES", LARGE)
    with closing(connect(StorageConnection(connection_string=connection_string), container)[0]) as store:
        yield store


@pytest.fixture(scope="module")
def adopting() -> None:
    """Let this process adopt what applications leave behind, as a worker does."""
    adopt_orphans()
