"""The worker's image: built from this folder and the unpacked artifact, pushed, and known by its digest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pulumi
import pulumi_docker as docker

from infra.components.registry import Registry
from infra.deployer.image_tag import ImageTag
from infra.deployer.provider_token import provider_token
from infra.packages.build_context import SOURCE_DATE_EPOCH, stage_context
from infra.packages.image_sources import DOCKERFILE, source_files
from infra.settings.clouds import REGISTRY_AUDIENCE

LATEST: Final = "latest"
PLATFORM: Final = "linux/amd64"

# The user whose password is a token of a registry's own. Source: https://azure.github.io/acr/AAD-OAuth.html
PUSH_USER: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True)
class WorkerImageArgs:
    """What is built and where it goes.

    ``artifact`` is the folder of the unpacked artifact and resolves once it is there; ``build_args`` are the
    Dockerfile's; ``content`` is a hash of all that goes into the image; ``repository`` is the path below the
    registry's server.
    """

    artifact: pulumi.Input[str]
    build_args: Mapping[str, str]
    content: str
    project: Path
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
        # The path is relative, since the provider keeps it and would build again where the folder is another.
        context = pulumi.Output.from_input(args.artifact).apply(
            lambda artifact: (
                stage_context(args.project, source_files(args.project), Path(artifact), args.content)
                .relative_to(args.project)
                .as_posix()
            )
        )
        image = docker.Image(
            name,
            build=docker.DockerBuildArgs(
                args={**args.build_args, "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH)},
                builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT,
                context=context,
                dockerfile=DOCKERFILE,
                platform=PLATFORM,
            ),
            build_on_preview=False,
            image_name=pulumi.Output.format("{0}:{1}", repository, args.version),
            registry=docker.RegistryArgs(
                password=self._push_token(args, context), server=registry.login_server, username=PUSH_USER
            ),
            # Deleting it does nothing, yet the provider refuses to where no Docker engine answers: neither the end of
            # the stack nor its move to an image that is there already shall need one.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        latest = ImageTag(
            f"{name}-{LATEST}",
            content=f"{args.content}/{args.version}",
            login_server=registry.login_server,
            reference=image.repo_digest,
            registry_id=registry.registry_id,
            registry_token=provider_token(self, after=image, endpoint=REGISTRY_AUDIENCE),
            repository=args.repository,
            tag_names=[LATEST, args.version],
            token=provider_token(self, after=image),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.reference = latest.reference
        self.register_outputs({"reference": self.reference})

    def _push_token(self, args: WorkerImageArgs, context: pulumi.Output[str]) -> pulumi.Output[str]:
        """Return what the image is pushed with: another token in each run, which the provider takes for no change.

        It lives for three hours and is asked for when all else is there, so that the build and the push have them all.
        A preview asks for none: it is then unknown, as a plan that is carried out later has to see it.
        """
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.secret(cast(str, pulumi.UNKNOWN))

        def sign_in(values: Sequence[str]) -> pulumi.Output[str]:
            server = values[0]
            token = provider_token(self, after=args.registry, endpoint=REGISTRY_AUDIENCE)
            return token.apply(lambda given: _signed_in(server, args.repository, given))

        return pulumi.Output.secret(pulumi.Output.all(args.registry.login_server, context).apply(sign_in))


async def _signed_in(server: str, repository: str, token: str) -> str:
    # Only a run that may push needs what speaks to the registry, which takes a while to load.
    from infra.deployer import registry_sign_in

    try:
        # The registry may be waited for, and the rest of the program shall not.
        return await asyncio.to_thread(registry_sign_in.push_token, server, repository, token)
    except registry_sign_in.RegistryError as error:
        raise pulumi.RunError(str(error)) from error
