"""Declaring resources to the local cloud as the program does."""

from __future__ import annotations

from typing import Any

from pulumi.runtime.mocks import MockResourceArgs

from infra.local.cloud.cloud import LocalCloud, Properties

GROUP = "azure-native:resources:ResourceGroup"


def declare(cloud: LocalCloud, token: str, name: str, /, **inputs: Any) -> tuple[str | None, Properties]:
    """Declare a resource of a type, and return its id and its outputs."""
    return cloud.new_resource(MockResourceArgs(typ=token, name=name, inputs=inputs, custom=True))
