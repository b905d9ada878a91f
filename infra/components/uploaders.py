"""Whoever uploads: people, groups or applications that read the files and change inputs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization

from infra.components.conditions import uploader_condition
from infra.components.roles import Grant, assign
from infra.components.stack_roles import StackRoles
from infra.components.storage import ApplicationStorage


@dataclass(frozen=True, kw_only=True)
class UploadersArgs:
    """Who they are, by the object ids of their directory, all of one type; ``input_path`` has no slash at its ends."""

    ids: Sequence[str]
    input_path: str
    roles: StackRoles
    storage: ApplicationStorage
    type: str


class Uploaders(pulumi.ComponentResource):
    """A role assignment for each, which follows the input path and goes with the stack."""

    def __init__(self, name: str, args: UploadersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Uploaders", name, None, opts)
        grant = Grant(
            condition=uploader_condition(args.input_path),
            role=args.roles.process_files,
            scope=args.storage.container_id,
        )
        for each in args.ids:
            assign(
                f"{name}-{each}",
                grant,
                principal_id=each,
                principal_type=authorization.PrincipalType(args.type),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
