"""Who did what to blobs, messages and secrets: the data plane's own logs, in the stack's workspace.

What goes through Resource Manager is in the activity log anyway; what reads or deletes a blob is in no log but these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import pulumi
from pulumi_azure_native import monitor

from infra.components.container_group import LOG_TABLES
from infra.components.monitoring import Monitoring
from infra.components.storage import ApplicationStorage, ArtifactStorage
from infra.components.vault import Vault

# Source: https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/microsoft-storage-storageaccounts-blobservices-logs
CHANGES: Final = ("StorageDelete", "StorageWrite")
READS: Final = ("StorageRead",)
# Source: https://learn.microsoft.com/azure/key-vault/general/logging
SECRETS: Final = ("AuditEvent",)


class DataLogsLevel(Enum):
    """What is logged: nothing, what changes blobs and messages, or what reads them as well; secrets are with both."""

    ALL = "all"
    CHANGES = "changes"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class DataLogsArgs:
    """What is logged of which accounts and vault, and where it goes."""

    artifacts: ArtifactStorage
    files: ApplicationStorage
    level: DataLogsLevel
    monitoring: Monitoring
    vault: Vault


class DataLogs(pulumi.ComponentResource):
    """A diagnostic setting for each service that holds data."""

    def __init__(self, name: str, args: DataLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:DataLogs", name, None, opts)
        if args.level is not DataLogsLevel.NONE:
            categories = CHANGES if args.level is DataLogsLevel.CHANGES else (*CHANGES, *READS)
            logged: Mapping[str, tuple[pulumi.Input[str], Sequence[str]]] = {
                "artifacts": (_service(args.artifacts.account_id, "blob"), categories),
                "files": (_service(args.files.account_id, "blob"), categories),
                "messages": (_service(args.files.account_id, "queue"), categories),
                "vault": (args.vault.vault_id, SECRETS),
            }
            for title, (resource_id, listed) in logged.items():
                monitor.DiagnosticSetting(
                    f"{name}-{title}",
                    # The services of an account have tables of their own, and say nothing of it.
                    log_analytics_destination_type=LOG_TABLES if title == "vault" else None,
                    logs=[monitor.DiagnosticsLogSettingsArgs(category=each, enabled=True) for each in sorted(listed)],
                    resource_uri=resource_id,
                    workspace_id=args.monitoring.workspace_id,
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({})


def _service(account_id: pulumi.Input[str], service: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(account_id, f"/{service}Services/default")
