"""The Key Vault and the registry's password in it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, keyvault

from infra.components.placement import Placement
from infra.components.registry import Registry
from infra.components.roles import Grant, Role, assign


@dataclass(frozen=True, kw_only=True)
class VaultArgs:
    """The vault, the registry whose password it holds, and who may administer secrets; retention is in days.

    ``purge_protection`` is whether nobody can purge the vault, or a secret in it, before that time; for good.
    """

    placement: Placement
    purge_protection: bool
    registry: Registry
    retention_days: int
    secrets_officer_id: str | None
    secrets_officer_type: str
    vault_name: str | None


class Vault(pulumi.ComponentResource):
    """A vault that authorizes by role assignments, with the secret ``acr-<registry>-<user>-password``."""

    vault_id: pulumi.Output[str]
    vault_uri: pulumi.Output[str]

    def __init__(self, name: str, args: VaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:Vault", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        client = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(parent=self))
        vault = keyvault.Vault(
            name,
            properties=keyvault.VaultPropertiesArgs(
                # Azure takes no false, and once it is true nothing else.
                # Source: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
                enable_purge_protection=True if args.purge_protection else None,
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                soft_delete_retention_in_days=args.retention_days,
                tenant_id=client.tenant_id,
            ),
            resource_group_name=args.placement.resource_group_name,
            tags=args.placement.tags,
            vault_name=args.vault_name,
            # Azure answers that it has been set already and can't be modified. A new vault for it would cost the
            # secrets, and could not have the old one's name while that is held.
            # Source: https://github.com/MicrosoftDocs/azure-docs/issues/110047
            opts=pulumi.ResourceOptions(ignore_changes=["properties.softDeleteRetentionInDays"], parent=self),
        )
        # A secret is deleted on the data plane, where the deployer may have no rights: it goes with its vault, and one
        # of an earlier registry stays there until then, with a password that opens nothing any more.
        keyvault.Secret(
            f"{name}-registry-password",
            properties=keyvault.SecretPropertiesArgs(value=args.registry.password),
            resource_group_name=args.placement.resource_group_name,
            secret_name=pulumi.Output.format(
                "acr-{0}-{1}-password", args.registry.registry_name, args.registry.username
            ),
            vault_name=vault.name,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=vault, retain_on_delete=True),
        )
        if args.secrets_officer_id is not None:
            assign(
                f"{name}-secrets-officer",
                Grant(role=Role.KEY_VAULT_SECRETS_OFFICER, scope=vault.id),
                principal_id=args.secrets_officer_id,
                principal_type=authorization.PrincipalType(args.secrets_officer_type),
                opts=child,
            )
        self.vault_id = vault.id
        self.vault_uri = vault.properties.vault_uri
        self.register_outputs({"vault_id": self.vault_id, "vault_uri": self.vault_uri})
