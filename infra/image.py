"""The worker's image: built from this folder and the unpacked artifact, pushed, and known by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.archive import file_sha256
from infra.registry import Registry

BUILD_HASH_LENGTH: Final = 12
DOCKERFILE: Final = "pipeline_app/Dockerfile"
PLATFORM: Final = "linux/amd64"

# What the Dockerfile may copy besides the artifact; .dockerignore lets the same through and nothing else.
SOURCES: Final = (
    "pipeline_app/Dockerfile",
    "pipeline_app/__init__.py",
    "pipeline_app/contract.py",
    "pipeline_app/install.py",
    "pipeline_app/requirements.txt",
    "pipeline_app/rest/**/*.py",
    "pipeline_app/worker/**/*.py",
)


@dataclass(frozen=True, kw_only=True)
class WorkerImageArgs:
    """What is built and where it goes.

    ``context`` is relative to the program's folder and resolves once the artifact is unpacked; ``build_args`` are the
    Dockerfile's; ``repository`` is the path below the registry's server.
    """

    build_args: Mapping[str, pulumi.Input[str]]
    context: pulumi.Input[str]
    registry: Registry
    repository: str
    version: str


class WorkerImage(pulumi.ComponentResource):
    """An image under its version and under ``latest``; ``reference`` names it by digest."""

    reference: pulumi.Output[str]

    def __init__(self, name: str, args: WorkerImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:WorkerImage", name, None, opts)
        registry = args.registry
        repository = pulumi.Output.format("{0}/{1}", registry.login_server, args.repository)
        image = docker.Image(
            name,
            build=docker.DockerBuildArgs(
                args=args.build_args,
                builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT,
                context=args.context,
                dockerfile=DOCKERFILE,
                platform=PLATFORM,
            ),
            build_on_preview=False,
            image_name=pulumi.Output.format("{0}:{1}", repository, args.version),
            registry=docker.RegistryArgs(
                password=registry.password, server=registry.login_server, username=registry.username
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        latest = docker.Tag(
            f"{name}-latest",
            source_image=image.image_name,
            tag_triggers=[image.repo_digest],
            target_image=pulumi.Output.format("{0}:latest", repository),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[image]),
        )
        docker.RegistryImage(
            f"{name}-latest-push",
            auth_config=docker.RegistryImageAuthConfigArgs(
                address=registry.login_server, password=registry.password, username=registry.username
            ),
            # The tag goes with its registry; deleting it alone would take the version with the same digest along.
            keep_remotely=True,
            name=latest.target_image,
            triggers={"digest": image.repo_digest},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[latest]),
        )
        self.reference = image.repo_digest
        self.register_outputs({"reference": self.reference})


def build_hash(project: Path, artifact_sha256: str, build_args: Mapping[str, str]) -> str:
    """Return a short hash of exactly what goes into the image, so that an unchanged image keeps its version.

    Args:
        project: the program's folder.
        artifact_sha256: of the zip whose content is installed.
        build_args: without the version, which is made from this hash.
    """
    digest = hashlib.sha256(f"artifact\0{artifact_sha256}\n".encode())
    for key, value in sorted(build_args.items()):
        digest.update(f"argument\0{key}\0{value}\n".encode())
    for path in sorted({path for pattern in SOURCES for path in project.glob(pattern)}):
        digest.update(f"file\0{path.relative_to(project).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()[:BUILD_HASH_LENGTH]
