"""The customer's application: a zip in the artifact account, unpacked here for the image's build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi
from filelock import FileLock
from pulumi_azure_native import storage

from infra.components.placement import Placement
from infra.components.storage import ArtifactStorage
from infra.deployer.provider_token import provider_token
from infra.packages.archive import file_sha256, zip_folder
from infra.packages.artifact_cache import refresh_cache
from infra.settings.clouds import STORAGE_AUDIENCE

BUILD_DIRECTORY: Final = ".build"
HASH_LENGTH: Final = 16


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
    """An artifact that is in the artifact account and, once ``cache`` resolves, unpacked on this machine."""

    cache: pulumi.Output[str]
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
            # Only an artifact that is in the account alone needs what speaks to it, which takes a while to load.
            from infra.deployer.credentials import HandedToken
            from infra.packages.artifact_fetch import fetch_artifact

            token = provider_token(self, after=args.storage, endpoint=STORAGE_AUDIENCE)
            self.cache = pulumi.Output.all(args.storage.blob_endpoint, args.storage.container_name, token).apply(
                lambda given: str(
                    fetch_artifact(given[0], given[1], package.blob_name, package.sha256, cache, HandedToken(given[2]))
                )
            )
        self.sha256 = package.sha256
        self.register_outputs({"cache": self.cache})


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


def _zipped(folder: Path, build: Path) -> Path:
    build.mkdir(exist_ok=True)
    with FileLock(build / f"{folder.name}.lock"):
        archive = build / f"{folder.name}.zip"
        zip_folder(folder, archive)
        return archive.replace(build / f"{folder.name}-{file_sha256(archive)[:HASH_LENGTH]}.zip")
