"""The application's zip is found, made or fetched, and checked against its hash before anything uses it."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import UserDelegationKey

from infra.components.artifact import ArtifactPackage, find_package
from infra.deployer.credentials import HandedToken
from infra.packages import artifact_fetch
from infra.packages.archive import file_sha256
from infra.packages.archive_entries import ArchiveError
from infra.packages.artifact_cache import refresh_cache
from infra.packages.artifact_fetch import fetch_artifact

BLOB = "applications/app.zip"
DEPLOYER = HandedToken("token")
ENDPOINT = "https://artifacts.blob/"


@pytest.fixture
def application(tmp_path: Path) -> Path:
    path = tmp_path / "app.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.py", "pass")
    return path


class FakeService:
    """The Blob service of the artifact account, as far as signing an address needs it."""

    account_name = "artifacts"

    def __init__(self, endpoint: str, credential: object) -> None:
        assert credential is DEPLOYER
        self.endpoint = endpoint

    def __enter__(self) -> FakeService:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def get_blob_client(self, container: str, name: str) -> Any:
        return type("Client", (), {"url": f"{self.endpoint}{container}/{name}"})

    def get_user_delegation_key(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        assert expiry - start <= timedelta(minutes=20)
        key = UserDelegationKey()  # type: ignore[no-untyped-call]
        key.signed_oid, key.signed_tid, key.signed_service, key.signed_version = "oid", "tid", "b", "2022-11-02"
        key.signed_start = key.signed_expiry = "2026-01-31T12:00:00Z"
        key.value = "a2V5"
        return key


class FakeBlob:
    """A blob that remembers the addresses that it was read by."""

    content = b""
    urls: ClassVar[list[str]] = []

    def __enter__(self) -> FakeBlob:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    @classmethod
    def from_blob_url(cls, url: str) -> FakeBlob:
        cls.urls.append(url)
        return cls()

    def download_blob(self) -> FakeBlob:
        return self

    def readinto(self, file: Any) -> None:
        file.write(BytesIO(self.content).read())


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, application: Path) -> type[FakeBlob]:
    monkeypatch.setattr(artifact_fetch, "BlobClient", FakeBlob)
    monkeypatch.setattr(artifact_fetch, "BlobServiceClient", FakeService)
    FakeBlob.content, FakeBlob.urls = application.read_bytes(), []
    return FakeBlob


def test_an_artifact_is_read_by_a_short_read_only_signature_of_the_signed_in_user(
    account: type[FakeBlob], application: Path, tmp_path: Path
) -> None:
    fetch_artifact(
        "https://artifacts.blob/", "shared-artifacts", BLOB, file_sha256(application), tmp_path / "cache", DEPLOYER
    )
    assert (tmp_path / "cache" / "app.py").read_text(encoding="utf-8") == "pass"
    (url,) = account.urls
    query = {key: value[0] for key, value in parse_qs(urlsplit(url).query).items()}
    assert url.startswith("https://artifacts.blob/shared-artifacts/applications/app.zip?")
    assert (query["sp"], query["spr"], query["sr"], query["skoid"]) == ("r", "https", "b", "oid")
    left = datetime.fromisoformat(query["se"]) - datetime.now(UTC)
    assert timedelta(minutes=10) < left <= timedelta(minutes=15)


def test_an_artifact_that_is_there_already_is_not_fetched(
    account: type[FakeBlob], application: Path, tmp_path: Path
) -> None:
    refresh_cache(application, file_sha256(application), tmp_path / "cache")
    fetch_artifact(
        "https://artifacts.blob/", "shared-artifacts", BLOB, file_sha256(application), tmp_path / "cache", DEPLOYER
    )
    assert not account.urls


def test_an_artifact_with_another_hash_is_not_unpacked(
    account: type[FakeBlob], application: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match="not " + "0" * 64):
        fetch_artifact("https://artifacts.blob/", "c", BLOB, "0" * 64, tmp_path / "cache", DEPLOYER)
    assert len(account.urls) == 1
    assert not (tmp_path / "cache").exists()


def test_a_folder_becomes_the_same_package_each_time(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "run.sh").write_text("true", encoding="utf-8")
    packages = [find_package(folder="apps", name=None, path="app", project=tmp_path, sha256=None) for _ in range(2)]
    assert packages[0] == packages[1]
    assert packages[0].path is not None
    assert packages[0].sha256 == file_sha256(packages[0].path)
    assert packages[0].blob_name == f"apps/app-{packages[0].sha256[:16]}.zip"


def test_a_changed_folder_becomes_another_blob(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    found = []
    for text in ("1", "2"):
        (tmp_path / "app" / "run.sh").write_text(text, encoding="utf-8")
        found.append(find_package(folder="", name="mine.zip", path="app", project=tmp_path, sha256=None).blob_name)
    assert len(set(found)) == 2
    assert all(name.startswith("mine-") for name in found)


def test_a_remote_artifact_is_named_as_given(tmp_path: Path) -> None:
    package = find_package(folder="a/b", name="app.zip", path="", project=tmp_path, sha256="A" * 64)
    assert package == ArtifactPackage(blob_name="a/b/app.zip", path=None, sha256="a" * 64)
    with pytest.raises(ValueError, match="a name and a SHA-256"):
        find_package(folder="", name="app.zip", path="", project=tmp_path, sha256=None)
