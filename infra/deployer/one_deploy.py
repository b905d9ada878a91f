"""The function's code on a Flex Consumption app, as a resource: the provider itself has none for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infra.deployer.signed_in import SignedInProvider


class OneDeployProvider(SignedInProvider):
    """Deploys a package; the properties are those of :class:`OneDeploy`.

    Neither an account key, a signed address nor a token is kept: all are made for the one call that needs them.
    """

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Deploy the package."""
        self._deploy(props)
        return CreateResult(id_=f"{props['app_id']}/extensions/onedeploy", outs=props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Deploy anew where the package differs, and from scratch where the app does.

        The app keeps what it runs in the account that the package comes from, so another account needs it anew.
        """
        moved = _olds.get("app_id") != _news.get("app_id")
        changes = moved or any(_olds.get(name) != _news.get(name) for name in ("package_sha256", "storage_account_id"))
        return DiffResult(changes=changes, replaces=["app_id"] if moved else [])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Deploy the new package over the old one."""
        self._deploy(_news)
        return UpdateResult(outs=_news)

    def _deploy(self, props: dict[str, Any]) -> None:
        # Only the provider needs what speaks to Azure, not each run of the program.
        from infra.deployer.package_deploy import deploy

        deploy(props, self.sign_in)


class OneDeploy(Resource, module="web", name="OneDeploy"):
    """The package that a function app runs; its code goes with the app, so there is nothing to delete."""

    package_sha256: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        app_id: pulumi.Input[str],
        blob_url: pulumi.Input[str],
        functions: Sequence[str],
        package_sha256: str,
        resource_manager: str,
        storage_account_id: pulumi.Input[str],
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the deployment.

        Args:
            name: the resource's name in the stack.
            app_id: ARM id of the function app.
            blob_url: the package's blob, without a signature.
            functions: the names that Azure must list before the deployment counts as done.
            package_sha256: of the package; a new one deploys.
            resource_manager: the cloud's Azure Resource Manager.
            storage_account_id: ARM id of the account that holds the blob.
            token: of the provider for Azure Resource Manager; not kept.
            opts: the resource's options.
        """
        super().__init__(
            OneDeployProvider(),
            name,
            {
                "app_id": app_id,
                "blob_url": blob_url,
                "functions": list(functions),
                "package_sha256": package_sha256,
                "resource_manager": resource_manager,
                "storage_account_id": storage_account_id,
                "token": pulumi.Output.secret(token),
            },
            opts,
        )
