"""The container registry."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerregistry

from infra.components.placement import Placement


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """``registry_name`` is chosen by the provider where it is None.

    ``protect`` is whether the registry, with all images in it, refuses to be deleted or replaced.
    """

    placement: Placement
    protect: bool
    registry_name: str | None
    sku: str


class Registry(pulumi.ComponentResource):
    """A registry with its admin user, whose password the vault keeps for whoever is asked to use it by hand.

    Nothing in the stack signs in as that user: the deployer pushes as itself, and whoever only pulls uses an identity.
    """

    login_server: pulumi.Output[str]
    password: pulumi.Output[str]
    registry_id: pulumi.Output[str]
    registry_name: pulumi.Output[str]
    username: pulumi.Output[str]

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Registry", name, None, opts)
        registry = containerregistry.Registry(
            name,
            admin_user_enabled=True,
            registry_name=args.registry_name,
            resource_group_name=args.placement.resource_group_name,
            sku=containerregistry.SkuArgs(name=containerregistry.SkuName(args.sku)),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        credentials = containerregistry.list_registry_credentials_output(
            registry_name=registry.name,
            resource_group_name=args.placement.resource_group_name,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        self.login_server = registry.login_server
        self.password = pulumi.Output.secret(credentials.passwords.apply(lambda passwords: passwords[0].value))
        self.registry_id = registry.id
        self.registry_name = registry.name
        self.username = credentials.username
        self.register_outputs({"login_server": self.login_server, "registry_name": self.registry_name})
