"""Which files the worker's image is built from, and the hashes by which a build is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from infra.packages.archive import file_sha256

BUILD_HASH_LENGTH: Final = 12
DOCKERFILE: Final = "pipeline_app/Dockerfile"

# What the installer's layer is made with, besides the artifact.
INSTALLER_SOURCES: Final = (
    "pipeline_app/__init__.py",
    "pipeline_app/install.py",
    "pipeline_app/printable.py",
    "pipeline_app/programs.py",
)

# What becomes the worker. Each folder is named, since Docker does not look into one for a pattern with "**".
# Source: https://github.com/docker/cli/issues/2919
WORKER_SOURCES: Final = (
    "pipeline_app/__init__.py",
    "pipeline_app/contract/*.py",
    "pipeline_app/printable.py",
    "pipeline_app/rest/*.py",
    "pipeline_app/worker/*.py",
    "pipeline_app/worker/confinement/*.py",
)

# All that the image is built from besides the artifact. The build context has these files and no others, and
# .dockerignore lets the same through where somebody builds by hand.
SOURCES: Final = (DOCKERFILE, "pipeline_app/requirements.txt", *INSTALLER_SOURCES, *WORKER_SOURCES)


def application_hash(project: Path, artifact_sha256: str, build_args: Mapping[str, str]) -> str:
    """Return a short hash of what the application's layer is made from, which no edit of the worker changes.

    Args:
        project: the program's folder.
        artifact_sha256: of the zip whose content is installed.
        build_args: without the releases, which are made from hashes.
    """
    return _hash(project, INSTALLER_SOURCES, artifact_sha256, build_args)


def build_hash(project: Path, artifact_sha256: str, build_args: Mapping[str, str]) -> str:
    """Return a short hash of exactly what goes into the image, so that an unchanged image keeps its version.

    Args:
        project: the program's folder.
        artifact_sha256: of the zip whose content is installed.
        build_args: without the version, which is made from this hash.
    """
    return _hash(project, SOURCES, artifact_sha256, build_args)


def source_files(project: Path, patterns: Sequence[str] = SOURCES) -> list[Path]:
    """Return the files of the program's folder that patterns name, each once and in one order everywhere."""
    return sorted({path for pattern in patterns for path in project.glob(pattern)})


def _hash(project: Path, patterns: Sequence[str], artifact_sha256: str, build_args: Mapping[str, str]) -> str:
    digest = hashlib.sha256(f"artifact\0{artifact_sha256}\n".encode())
    for key, value in sorted(build_args.items()):
        digest.update(f"argument\0{key}\0{value}\n".encode())
    for path in source_files(project, patterns):
        digest.update(f"file\0{path.relative_to(project).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()[:BUILD_HASH_LENGTH]
