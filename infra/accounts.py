"""The stack's storage accounts together: how they are named and encrypted, and how long they keep what is in them."""

from __future__ import annotations

from dataclasses import dataclass

from infra.components.encryption import CustomerKey, CustomerKeyArgs
from infra.components.placement import Placement
from infra.components.retention import Retention, RetentionArgs
from infra.components.storage import (
    ApplicationStorage,
    ApplicationStorageArgs,
    ArtifactStorage,
    ArtifactStorageArgs,
    Deleted,
    HostStorage,
    HostStorageArgs,
)
from infra.settings.config import StackConfig


@dataclass(frozen=True, kw_only=True)
class StorageAccounts:
    """The three of them.

    Attributes:
        artifacts: that of the applications' zips and of the function's packages.
        files: that of inputs, results, queues and the share.
        host: that of what the Functions host keeps for itself.
    """

    artifacts: ArtifactStorage
    files: ApplicationStorage
    host: HostStorage


def storage_accounts(cfg: StackConfig, placement: Placement) -> StorageAccounts:
    """Declare and return the storage accounts."""
    args = _customer_key(cfg, placement)
    key = CustomerKey("encryption", args) if args else None
    artifacts = ArtifactStorage("artifacts", _artifact_storage(cfg, placement, key))
    files = ApplicationStorage("files", _application_storage(cfg, placement, key))
    Retention("retention", _retention(cfg, placement, artifacts, files))
    host = HostStorage("host", HostStorageArgs(key=key, placement=placement))
    return StorageAccounts(artifacts=artifacts, files=files, host=host)


def _application_storage(cfg: StackConfig, placement: Placement, key: CustomerKey | None) -> ApplicationStorageArgs:
    """Return how the application's storage is laid out."""
    return ApplicationStorageArgs(
        account_name=cfg.app_storage_account_name,
        container_name=cfg.storage_container,
        deleted=_deleted(cfg),
        key=key,
        placement=placement,
        protect=cfg.protect_files,
        share_name=cfg.share_name,
        share_quota_gib=cfg.share_quota_gib,
    )


def _artifact_storage(cfg: StackConfig, placement: Placement, key: CustomerKey | None) -> ArtifactStorageArgs:
    """Return how the artifact storage is laid out."""
    return ArtifactStorageArgs(
        account_name=cfg.artifact_storage_account_name,
        container_name=cfg.artifact_container,
        deleted=_deleted(cfg),
        key=key,
        placement=placement,
        protect=cfg.protect_files,
    )


def _customer_key(cfg: StackConfig, placement: Placement) -> CustomerKeyArgs | None:
    """Return the customer's own key for the storage accounts, or None where Microsoft's do."""
    if cfg.encryption_key_id is None:
        return None
    return CustomerKeyArgs(key_id=cfg.encryption_key_id, placement=placement, wait_seconds=cfg.role_wait_seconds)


def _deleted(cfg: StackConfig) -> Deleted:
    return Deleted(
        blob_days=cfg.deleted_blob_days, container_days=cfg.deleted_container_days, share_days=cfg.deleted_share_days
    )


def _retention(
    cfg: StackConfig, placement: Placement, artifacts: ArtifactStorage, files: ApplicationStorage
) -> RetentionArgs:
    """Return how long blobs are kept."""
    return RetentionArgs(
        artifacts=artifacts,
        dead_letter_days=cfg.dead_letter_retention_days,
        input_days=cfg.input_retention_days,
        names=cfg.storage_names(),
        package_days=cfg.package_retention_days,
        placement=placement,
        result_days=cfg.result_retention_days,
        storage=files,
    )
