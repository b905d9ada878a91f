"""A key of the customer's own for what the storage accounts hold, and the identity that may use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_azure_native import managedidentity, storage

from infra.components.placement import Placement
from infra.components.roles import Grant, Role, assign
from infra.deployer.role_wait import RoleWait
from infra.settings.clouds import VAULT_DOMAIN

# Messages are under a key of their service's own unless the account says otherwise when it is made.
# Source: https://learn.microsoft.com/azure/storage/common/account-encryption-key-create
FIXED_WHEN_MADE: Final = "encryption.services.queue"


@dataclass(frozen=True, kw_only=True)
class CustomerKeyArgs:
    """The ARM id of the key, and for how many seconds the right to use it is waited for."""

    key_id: str
    placement: Placement
    wait_seconds: int


class CustomerKey(pulumi.ComponentResource):
    """An identity with Key Vault Crypto Service Encryption User on the key, for storage accounts to use it by.

    The key is named without a version, so that each account takes a new version within a day.
    Source: https://learn.microsoft.com/azure/storage/common/customer-managed-keys-overview
    """

    encryption: storage.EncryptionArgs
    identity: storage.IdentityArgs

    def __init__(self, name: str, args: CustomerKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:CustomerKey", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_group_name=args.placement.resource_group_name,
            tags=args.placement.tags,
            opts=child,
        )
        assignment = assign(
            f"{name}-use-key",
            Grant(role=Role.KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER, scope=args.key_id),
            principal_id=identity.principal_id,
            opts=child,
        )
        # An account is refused while its identity cannot use the key.
        usable = RoleWait(
            f"{name}-role",
            assignment_id=assignment.id,
            created_on=assignment.created_on,
            seconds=args.wait_seconds,
            opts=child,
        )
        identity_id = pulumi.Output.all(identity.id, usable.id).apply(lambda found: str(found[0]))
        _, _, vault, _, key = args.key_id.rsplit("/", 4)
        self.encryption = storage.EncryptionArgs(
            encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=identity_id),
            key_source=storage.KeySource.MICROSOFT_KEYVAULT,
            key_vault_properties=storage.KeyVaultPropertiesArgs(
                key_name=key, key_vault_uri=f"https://{vault.lower()}.{VAULT_DOMAIN}/"
            ),
            services=storage.EncryptionServicesArgs(
                blob=_service(),
                file=_service(),
                queue=_service(),
            ),
        )
        self.identity = storage.IdentityArgs(
            type=storage.IdentityType.USER_ASSIGNED, user_assigned_identities=[identity_id]
        )
        self.register_outputs({})


def _service() -> storage.EncryptionServiceArgs:
    return storage.EncryptionServiceArgs(enabled=True, key_type=storage.KeyType.ACCOUNT)
