"""The customer's application: a zip in the artifact account, unpacked here for the image's build."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pulumi
from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas
from filelock import FileLock
from pulumi_azure_native import storage

from infra.archive import cache_is_current, file_sha256, refresh_cache, zip_folder
from infra.credentials import deployer_credential
from infra.placement import Placement
from infra.storage import ArtifactStorage

BUILD_CONTEXT: Final = "."
BUILD_DIRECTORY: Final = ".build"
HASH_LENGTH: Final = 16
SAS_MINUTES: Final = 15


@dataclass(frozen=True, kw_only=True)
class ArtifactPackage:
    """A zip: where it is as a blob, its SHA-256 in hex, and its path here, or None where it is in the account only."""

    blob_name: str
    path: Path | None
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ArtifactArgs:
    """The zip, the account that has it or gets it, and the folder that it is unpacked into."""

    cache: Path
    package: ArtifactPackage
    placement: Placement
    storage: ArtifactStorage


class Artifact(pulumi.ComponentResource):
    """An artifact that is in the artifact account and, once ``cache`` resolves, unpacked on this machine.

    ``context`` is the build context for the image; it resolves to the program's folder when the artifact is there.
    """

    cache: pulumi.Output[str]
    context: pulumi.Output[str]
    sha256: str

    def __init__(self, name: str, args: ArtifactArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Artifact", name, None, opts)
        package, cache = args.package, args.cache
        if package.path is not None:
            storage.Blob(
                name,
                account_name=args.storage.account_name,
                blob_name=package.blob_name,
                container_name=args.storage.container_name,
                content_type="application/zip",
                metadata={"sha256": package.sha256},
                resource_group_name=args.placement.resource_group_name,
                source=pulumi.FileAsset(str(package.path)),
                opts=pulumi.ResourceOptions(delete_before_replace=False, parent=self),
            )
            refresh_cache(package.path, package.sha256, cache)
            self.cache = pulumi.Output.from_input(str(cache))
        else:
            self.cache = pulumi.Output.all(args.storage.blob_endpoint, args.storage.container_name).apply(
                lambda place: str(fetch_artifact(place[0], place[1], package, cache))
            )
        self.sha256 = package.sha256
        self.context = self.cache.apply(lambda _: BUILD_CONTEXT)
        self.register_outputs({"cache": self.cache, "context": self.context})


def find_package(*, folder: str, name: str | None, path: str, project: Path, sha256: str | None) -> ArtifactPackage:
    """Return the artifact: the zip or folder at ``path`` below the project, else the blob that the rest names.

    A folder is zipped. The blob's name of a local artifact holds the content's hash, so that the blob of an earlier
    artifact stays until the new one is there.

    Args:
        folder: of the blob in the artifact container; may be empty.
        name: of the blob; a local artifact may leave it to its file name.
        path: relative to the project, or empty.
        project: the program's folder.
        sha256: of a blob that is there already.

    Raises:
        ArchiveError: the local artifact cannot be zipped.
        ValueError: neither a path nor both a name and a hash are given.
    """
    prefix = f"{folder}/" if folder else ""
    if path:
        archive = _zipped(project / path, project / BUILD_DIRECTORY) if (project / path).is_dir() else project / path
        digest = file_sha256(archive)
        stem = Path(name or path).stem
        return ArtifactPackage(blob_name=f"{prefix}{stem}-{digest[:HASH_LENGTH]}.zip", path=archive, sha256=digest)
    if name is None or sha256 is None:
        raise ValueError("An artifact needs a path, or both a name and a SHA-256.")
    return ArtifactPackage(blob_name=f"{prefix}{name}", path=None, sha256=sha256.lower())


def fetch_artifact(blob_endpoint: str, container: str, package: ArtifactPackage, cache: Path) -> Path:
    """Bring an artifact from its account into the cache, unless it is there already, and return the cache.

    The deployer needs the role Storage Blob Data Reader on the artifact container: the blob is read by a signature
    that Azure makes for the signed-in user, that reads this one blob, and that lives for minutes.

    Raises:
        ArchiveError: what came has another SHA-256, or cannot be unpacked.
        azure.core.exceptions.AzureError: the sign-in or the download failed.
    """
    if cache_is_current(cache, package.sha256):
        return cache
    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary, "artifact.zip")
        with (
            BlobClient.from_blob_url(_signed_url(blob_endpoint, container, package.blob_name)) as blob,
            archive.open("wb") as file,
        ):
            blob.download_blob().readinto(file)
        refresh_cache(archive, package.sha256, cache)
    return cache


def _signed_url(blob_endpoint: str, container: str, name: str) -> str:
    now = datetime.now(UTC)
    start, expiry = now - timedelta(minutes=5), now + timedelta(minutes=SAS_MINUTES)
    with BlobServiceClient(blob_endpoint, credential=deployer_credential()) as service:
        account = service.account_name
        if account is None:
            raise ValueError(f"The blob endpoint {blob_endpoint!r} names no account.")
        signature = generate_blob_sas(
            account_name=account,
            blob_name=name,
            container_name=container,
            expiry=expiry,
            permission=BlobSasPermissions(read=True),
            protocol="https",
            start=start,
            user_delegation_key=service.get_user_delegation_key(start, expiry),
        )
        return f"{service.get_blob_client(container, name).url}?{signature}"


def _zipped(folder: Path, build: Path) -> Path:
    build.mkdir(exist_ok=True)
    with FileLock(build / f"{folder.name}.lock"):
        archive = build / f"{folder.name}.zip"
        zip_folder(folder, archive)
        return archive.replace(build / f"{folder.name}-{file_sha256(archive)[:HASH_LENGTH]}.zip")
