"""Where a resource goes and what it is labelled with, which every component is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The resource group by ARM id and by name, and the tags on everything that takes tags."""

    resource_group_id: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]
    tags: Mapping[str, str]
