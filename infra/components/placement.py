"""Where a resource goes and what it is labelled with, which every component is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import resources

from infra.settings import naming

# The tag that tells whose the resource group is; its name cannot, since no group can be renamed when its stack is.
STACK_TAG: Final = "pulumi-stack"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The resource group by ARM id and by name, and the tags on everything that takes tags."""

    resource_group_id: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]
    tags: Mapping[str, str]


def place(project: str, stack: str, *, protect: bool, tags: Mapping[str, str]) -> Placement:
    """Declare the group that everything lives in, and return it as where all else goes.

    Its name in the program is the same in every stack: a name that holds the stack's would be another one after
    ``pulumi stack rename``, so that the next update made a new group of everything and deleted the old one with all
    files. Stacks from before know the group by the stack's name, which the alias says.

    Args:
        project: the project's name.
        stack: the stack's name.
        protect: whether the group refuses to be deleted or replaced.
        tags: of everything.
    """
    group = resources.ResourceGroup(
        naming.resource_group(project),
        tags={STACK_TAG: stack, **tags},
        opts=pulumi.ResourceOptions(
            aliases=[pulumi.Alias(name=naming.resource_group(project, stack))], protect=protect
        ),
    )
    return Placement(resource_group_id=group.id, resource_group_name=group.name, tags=tags)
