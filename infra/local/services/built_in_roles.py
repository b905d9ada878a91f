"""What the built-in roles allow that this project gives, by the ids of their definitions.

Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """Actions on resources and on data, where ``*`` stands for any part of a name."""

    actions: Sequence[str]
    data_actions: Sequence[str]

    def allows(self, action: str) -> bool:
        """Tell whether an action on resources is among them, whatever the case of its letters."""
        return any(pattern(each).fullmatch(action) for each in self.actions)


def pattern(action: str) -> re.Pattern[str]:
    """Return what an action of a role matches."""
    return re.compile(re.escape(action).replace(r"\*", ".*"), re.IGNORECASE)


_CONTAINERS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers"
_DELEGATION: Final = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
_QUEUES: Final = "Microsoft.Storage/storageAccounts/queueServices/queues"

BUILT_IN: Final[Mapping[str, Permissions]] = {
    # AcrPull.
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": Permissions(
        actions=["Microsoft.ContainerRegistry/registries/pull/read"], data_actions=[]
    ),
    # Azure Container Instances Contributor Role.
    "5d977122-f97e-4b4d-a52f-6b43003ddb4d": Permissions(
        actions=["Microsoft.ContainerInstance/containerGroups/*"], data_actions=[]
    ),
    # Key Vault Crypto Service Encryption User.
    "e147488a-f6f5-4113-8e2d-b22465e65bf6": Permissions(
        actions=[f"Microsoft.EventGrid/eventSubscriptions/{each}" for each in ("delete", "read", "write")],
        data_actions=[f"Microsoft.KeyVault/vaults/keys/{each}/action" for each in ("read", "unwrap", "wrap")],
    ),
    # Key Vault Secrets Officer.
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": Permissions(
        actions=["Microsoft.KeyVault/vaults/*/read"], data_actions=["Microsoft.KeyVault/vaults/secrets/*"]
    ),
    # Monitoring Metrics Publisher.
    "3913510d-42f4-4e42-8a64-420c390055eb": Permissions(
        actions=[], data_actions=["Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"]
    ),
    # Storage Blob Data Contributor.
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Permissions(
        actions=[f"{_CONTAINERS}/delete", f"{_CONTAINERS}/read", f"{_CONTAINERS}/write", _DELEGATION],
        data_actions=[
            f"{_CONTAINERS}/blobs/{each}" for each in ("add/action", "delete", "move/action", "read", "write")
        ],
    ),
    # Storage Blob Data Owner.
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": Permissions(
        actions=[f"{_CONTAINERS}/*", _DELEGATION], data_actions=[f"{_CONTAINERS}/blobs/*"]
    ),
    # Storage Blob Data Reader.
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Permissions(
        actions=[f"{_CONTAINERS}/read", _DELEGATION], data_actions=[f"{_CONTAINERS}/blobs/read"]
    ),
    # Storage Queue Data Contributor.
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": Permissions(
        actions=[f"{_QUEUES}/delete", f"{_QUEUES}/read", f"{_QUEUES}/write"],
        data_actions=[f"{_QUEUES}/messages/{each}" for each in ("delete", "process/action", "read", "write")],
    ),
    # Storage Queue Data Message Sender.
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": Permissions(actions=[], data_actions=[f"{_QUEUES}/messages/add/action"]),
    # Storage Queue Data Reader.
    "19e7f393-937e-4f77-808e-94535e297925": Permissions(
        actions=[f"{_QUEUES}/read"], data_actions=[f"{_QUEUES}/messages/read"]
    ),
}
