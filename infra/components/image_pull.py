"""How the worker's containers get their image: from which registry, as whom, and from when on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from infra.components.identities import WorkloadIdentity
from infra.components.registry import Registry
from infra.deployer.role_wait import RoleWait
from infra.settings.naming import is_azure_registry

# What the grants are called that let an identity pull from this stack's registry, and from the one that was given.
PULL_GIVEN_IMAGE: Final = "pull-given-image"
PULL_IMAGE: Final = "pull-image"

NO_CREDENTIALS: Final = (
    "The image is in {0}, which is neither this stack's registry nor the one of imageRegistryId, so it is pulled "
    "without credentials. That works only where the registry lets anybody pull; else set imageRegistryId."
)


@dataclass(frozen=True, kw_only=True)
class ImagePullArgs:
    """What is pulled, by which identity.

    ``given_reference`` is an image that is there already, or None for this stack's own; ``given_registry_id`` is the
    ARM id of the other Azure registry that it is in, or None; ``wait_seconds`` is what a new role is given.
    """

    given_reference: str | None
    given_registry_id: str | None
    identity: WorkloadIdentity
    registry: Registry
    wait_seconds: int


class ImagePull(pulumi.ComponentResource):
    """The registry that the worker's identity signs in to for the image; None where it lets anybody pull.

    Whatever depends on the component also waits until the role to pull is likely to be in force.
    """

    server: pulumi.Output[str | None]

    def __init__(self, name: str, args: ImagePullArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:ImagePull", name, None, opts)
        reference = args.given_reference
        server = reference.partition("/")[0].lower() if reference else None
        public = server is not None and args.given_registry_id is None and not is_azure_registry(server)
        if not public:
            assignment = args.identity.assignments[PULL_GIVEN_IMAGE if args.given_registry_id else PULL_IMAGE]
            RoleWait(
                f"{name}-role",
                assignment_id=assignment.id,
                created_on=assignment.created_on,
                seconds=args.wait_seconds,
                opts=pulumi.ResourceOptions(parent=self),
            )

        def sign_in(login_server: str) -> str | None:
            used = credential_server(server, args.given_registry_id, login_server)
            if used is None and not public:
                pulumi.log.warn(NO_CREDENTIALS.format(server), self)
            return used

        self.server = args.registry.login_server.apply(sign_in)
        self.register_outputs({})


def credential_server(server: str | None, given_registry_id: str | None, login_server: str) -> str | None:
    """Return the registry that a container signs in to, or None where it pulls as anybody may.

    Args:
        server: of the given image, or None for an image of this stack.
        given_registry_id: ARM id of the registry of the given image, or None.
        login_server: of this stack's registry.
    """
    if server is None or server == login_server.lower():
        return login_server
    return server if given_registry_id else None
