"""The last step of a deploy, as a resource: a canary goes through the whole pipeline whenever the pipeline changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infra.clouds import RESOURCE_MANAGER
from infra.signed_in import SignedInProvider
from pipeline_app.contract import StorageNames


@dataclass(frozen=True, kw_only=True)
class CanaryFile:
    """The user's file that is put through: its path relative to the program's folder, and its SHA-256 in hex."""

    path: str
    sha256: str


class DeployVerificationProvider(SignedInProvider):
    """Puts a canary through; the properties are those of :class:`DeployVerification`."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Put a canary through the pipeline that was deployed."""
        return CreateResult(id_="canary", outs=self._verified(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Verify anew where anything of the pipeline changed; what came of it and how long it may take are no part."""
        changes = any(_olds.get(key) != value for key, value in _news.items() if key not in ("outcome", "seconds"))
        return DiffResult(changes=changes)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Put a canary through the pipeline that was changed."""
        return UpdateResult(outs=self._verified(_news))

    def _verified(self, props: dict[str, Any]) -> dict[str, Any]:
        # Only the provider needs what speaks to Azure, not each run of the program.
        from infra.resource_manager import connected
        from infra.verification.azure import verify

        with connected(self.sign_in, RESOURCE_MANAGER) as manager:
            return props | {"outcome": verify(props, manager)}


class DeployVerification(Resource, module="verification", name="DeployVerification"):
    """A canary that came through; ``outcome`` says in a sentence what came of it."""

    outcome: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        account_id: pulumi.Input[str],
        blob_endpoint: pulumi.Input[str],
        file: CanaryFile | None,
        group_ids: Sequence[pulumi.Input[str]],
        image: pulumi.Input[str],
        names: StorageNames,
        proves: Mapping[str, pulumi.Input[str]],
        queue_endpoint: pulumi.Input[str],
        seconds: int,
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the verification.

        Args:
            name: the resource's name in the stack.
            account_id: ARM id of the application storage account, whose key is asked for when it is used.
            blob_endpoint: of the account.
            file: what is put through and has to succeed; None is a built-in file that has to be tried.
            group_ids: ARM ids of the container groups.
            image: the image that has to process the file, by digest.
            names: container and paths.
            proves: what else is verified, by name; a change of any value verifies anew.
            queue_endpoint: of the account.
            seconds: how long the receipt may take.
            token: of the provider for Azure Resource Manager; not kept.
            opts: the resource's options.
        """
        super().__init__(
            DeployVerificationProvider(),
            name,
            {
                "account_id": account_id,
                "blob_endpoint": blob_endpoint,
                "container": names.container,
                "file": file.path if file else "",
                "file_sha256": file.sha256 if file else "",
                "group_ids": list(group_ids),
                "image": image,
                "input_path": names.input_path,
                "outcome": None,
                "output_path": names.output_path,
                "proves": dict(proves),
                "queue_endpoint": queue_endpoint,
                "seconds": seconds,
                "token": pulumi.Output.secret(token),
            },
            opts,
        )
