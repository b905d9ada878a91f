"""A canary as a resource: put through the whole pipeline whenever anything that it proves has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infra.deployer.signed_in import SignedInProvider
from infra.settings.clouds import RESOURCE_MANAGER

# What came of it, how long it may take, and which code sees to it: Pulumi keeps that with each resource of our own.
NOT_PROVED: Final = ("__provider", "outcome", "seconds")


class CanaryProvider(SignedInProvider):
    """Puts a canary through; the properties are those of :class:`Canary`."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Put a canary through the pipeline that was deployed."""
        return CreateResult(id_="canary", outs=self._verified(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Verify anew where anything of the pipeline changed."""
        changes = any(_olds.get(key) != value for key, value in _news.items() if key not in NOT_PROVED)
        return DiffResult(changes=changes)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Put a canary through the pipeline that was changed."""
        return UpdateResult(outs=self._verified(_news))

    def _verified(self, props: dict[str, Any]) -> dict[str, Any]:
        # Only the provider needs what speaks to Azure, not each run of the program.
        from infra.deployer.resource_manager import connected
        from infra.verification.azure import verify

        with connected(self.sign_in, RESOURCE_MANAGER) as manager:
            return props | {"outcome": verify(props, manager)}


class Canary(Resource, module="verification", name="Canary"):
    """A file that came through the pipeline; ``outcome`` says in a sentence what came of it."""

    outcome: pulumi.Output[str]

    def __init__(self, name: str, properties: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        """Declare it.

        Args:
            name: the resource's name in the stack.
            properties: those that :func:`infra.verification.azure.verify` reads, what is proved, and the token.
            opts: the resource's options.
        """
        super().__init__(CanaryProvider(), name, {**properties, "outcome": None}, opts)
