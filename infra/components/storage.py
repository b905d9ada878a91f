"""The storage accounts: the application's with its files and queues, the artifacts', and the Functions host's own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage

from infra.components.encryption import FIXED_WHEN_MADE, CustomerKey
from infra.components.placement import Placement
from infra.settings.naming import DEAD_LETTER_CONTAINER, FUNCTION_PACKAGE_CONTAINER
from pipeline_app.contract import EVENTS_POISON_QUEUE, EVENTS_QUEUE, JOBS_POISON_QUEUE, JOBS_QUEUE, STATE_CONTAINER

ARTIFACTS_TITLE = "shared-artifacts"
CONTAINER_TITLE = "pipeline-files"
DEFAULT_SERVICE = "default"


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """For how many days what was deleted can be restored; 0 for not at all.

    Blobs are apart from containers and shares: of these only what a person, or this stack, deleted is kept, but of
    blobs each overwritten state as well, and the pipeline overwrites all the time (``run.log`` while a file is worked
    on, the sweep's state every minute). All that is kept is paid for.
    Source: https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview
    """

    blob_days: int
    container_days: int
    share_days: int


@dataclass(frozen=True, kw_only=True)
class ApplicationStorageArgs:
    """Names within the account; ``account_name`` is chosen by the provider where it is None; the quota is in GiB.

    ``key`` is the customer's own that everything is encrypted with, or None for Microsoft's.

    ``protect`` is whether the account and what is in it refuse to be deleted or replaced.
    """

    account_name: str | None
    container_name: str
    deleted: Deleted
    key: CustomerKey | None
    placement: Placement
    protect: bool
    share_name: str
    share_quota_gib: int


class ApplicationStorage(pulumi.ComponentResource):
    """The account with the files container, the queues, the dead-letter container and the file share."""

    account_id: pulumi.Output[str]
    account_key: pulumi.Output[str]
    account_name: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    container_id: pulumi.Output[str]
    container_name: pulumi.Output[str]
    dead_letter_container_name: pulumi.Output[str]
    events_poison_queue_id: pulumi.Output[str]
    events_queue_id: pulumi.Output[str]
    events_queue_name: pulumi.Output[str]
    file_endpoint: pulumi.Output[str]
    jobs_poison_queue_id: pulumi.Output[str]
    jobs_queue_id: pulumi.Output[str]
    queue_endpoint: pulumi.Output[str]
    share: storage.FileShare
    state_container_id: pulumi.Output[str]

    def __init__(self, name: str, args: ApplicationStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:ApplicationStorage", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        account = _account(name, args.account_name, args.key, args.placement, kept)
        _restorable_blobs(name, account, args.deleted, args.placement, self)
        _restorable_shares(name, account, args.deleted, args.placement, self)
        container = _container(name, CONTAINER_TITLE, args.container_name, account, args, self)
        dead_letters = _container(name, DEAD_LETTER_CONTAINER, DEAD_LETTER_CONTAINER, account, args, self)
        # The sweep's own.
        state = _container(name, STATE_CONTAINER, STATE_CONTAINER, account, args, self)
        # Function and worker move what they cannot handle to the poison queues. Declaring these here spares both the
        # right to create queues.
        events, events_poison, jobs, jobs_poison = (
            storage.Queue(
                f"{name}-{queue_name}",
                account_name=account.name,
                queue_name=queue_name,
                resource_group_name=args.placement.resource_group_name,
                opts=kept,
            )
            for queue_name in (EVENTS_QUEUE, EVENTS_POISON_QUEUE, JOBS_QUEUE, JOBS_POISON_QUEUE)
        )
        self.share = storage.FileShare(
            f"{name}-share",
            account_name=account.name,
            resource_group_name=args.placement.resource_group_name,
            share_name=args.share_name,
            share_quota=args.share_quota_gib,
            opts=kept,
        )
        keys = storage.list_storage_account_keys_output(
            account_name=account.name,
            resource_group_name=args.placement.resource_group_name,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        self.account_id = account.id
        self.account_key = pulumi.Output.secret(keys.keys[0].value)
        self.account_name = account.name
        self.blob_endpoint = account.primary_endpoints.blob
        self.container_id = container.id
        self.container_name = container.name
        self.dead_letter_container_name = dead_letters.name
        self.events_poison_queue_id = events_poison.id
        self.events_queue_id = events.id
        self.events_queue_name = events.name
        self.file_endpoint = account.primary_endpoints.file
        self.jobs_poison_queue_id = jobs_poison.id
        self.jobs_queue_id = jobs.id
        self.queue_endpoint = account.primary_endpoints.queue
        self.state_container_id = state.id
        self.register_outputs({"account_id": self.account_id, "account_name": self.account_name})


@dataclass(frozen=True, kw_only=True)
class ArtifactStorageArgs:
    """Names within the account; ``account_name`` is chosen by the provider where it is None.

    ``key`` is the customer's own that everything is encrypted with, or None for Microsoft's.

    ``protect`` is whether the account and its containers refuse to be deleted or replaced.
    """

    account_name: str | None
    container_name: str
    deleted: Deleted
    key: CustomerKey | None
    placement: Placement
    protect: bool


class ArtifactStorage(pulumi.ComponentResource):
    """The account with the customers' artifacts and the function's packages, apart from the application's files."""

    account_id: pulumi.Output[str]
    account_name: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    container_name: pulumi.Output[str]
    package_container_id: pulumi.Output[str]
    package_container_name: pulumi.Output[str]

    def __init__(self, name: str, args: ArtifactStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:ArtifactStorage", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        account = _account(name, args.account_name, args.key, args.placement, kept)
        _restorable_blobs(name, account, args.deleted, args.placement, self)
        artifacts = _container(name, ARTIFACTS_TITLE, args.container_name, account, args, self)
        packages = _container(name, FUNCTION_PACKAGE_CONTAINER, FUNCTION_PACKAGE_CONTAINER, account, args, self)
        self.account_id = account.id
        self.account_name = account.name
        self.blob_endpoint = account.primary_endpoints.blob
        self.container_name = artifacts.name
        self.package_container_id = packages.id
        self.package_container_name = packages.name
        self.register_outputs({"account_id": self.account_id, "account_name": self.account_name})


@dataclass(frozen=True, kw_only=True)
class HostStorageArgs:
    """Where the account goes; ``key`` is the customer's own that it is encrypted with, or None for Microsoft's."""

    key: CustomerKey | None
    placement: Placement


class HostStorage(pulumi.ComponentResource):
    """The account of the Functions host, which has to own one: its locks, timers and keys, and nothing of anybody else.

    Nothing in it is missed: the host makes it all anew.
    """

    account_id: pulumi.Output[str]
    blob_endpoint: pulumi.Output[str]
    queue_endpoint: pulumi.Output[str]

    def __init__(self, name: str, args: HostStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("file-processing:infra:HostStorage", name, None, opts)
        account = _account(name, None, args.key, args.placement, pulumi.ResourceOptions(parent=self), keys=False)
        self.account_id = account.id
        self.blob_endpoint = account.primary_endpoints.blob
        self.queue_endpoint = account.primary_endpoints.queue
        self.register_outputs({"account_id": self.account_id})


def _account(
    name: str,
    account_name: str | None,
    key: CustomerKey | None,
    placement: Placement,
    opts: pulumi.ResourceOptions,
    *,
    keys: bool = True,
) -> storage.StorageAccount:
    # Where there are files, shared keys stay allowed: Container Instances mounts a file share with nothing else, and
    # the provider puts blobs up with the key.
    return storage.StorageAccount(
        name,
        account_name=account_name,
        allow_blob_public_access=False,
        allow_cross_tenant_replication=False,
        allow_shared_key_access=keys,
        enable_https_traffic_only=True,
        # A key that is taken out of the program would stay in use, so that there is none is said as well.
        encryption=key.encryption if key else storage.EncryptionArgs(key_source=storage.KeySource.MICROSOFT_STORAGE),
        identity=key.identity if key else None,
        kind=storage.Kind.STORAGE_V2,
        minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
        resource_group_name=placement.resource_group_name,
        sku=storage.SkuArgs(name=storage.SkuName.STANDARD_LRS),
        tags=placement.tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=[FIXED_WHEN_MADE])),
    )


def _container(
    name: str,
    title: str,
    container_name: str,
    account: storage.StorageAccount,
    args: ApplicationStorageArgs | ArtifactStorageArgs,
    parent: pulumi.Resource,
) -> storage.BlobContainer:
    """Declare a container under a title that outlives its name.

    So another name replaces the container, which protection refuses before anything is done; under another title it
    would be one more container, and the old one's end would be refused last of all. Stacks from before have the name
    in the title.
    """
    former = [pulumi.Alias(name=f"{name}-{container_name}")] if container_name != title else None
    return storage.BlobContainer(
        f"{name}-{title}",
        account_name=account.name,
        container_name=container_name,
        public_access=storage.PublicAccess.NONE,
        resource_group_name=args.placement.resource_group_name,
        opts=pulumi.ResourceOptions(aliases=former, parent=parent, protect=args.protect),
    )


def _policy(days: int) -> storage.DeleteRetentionPolicyArgs:
    return storage.DeleteRetentionPolicyArgs(days=days or None, enabled=days > 0)


# The services of an account are there with it and cannot be deleted: the provider takes them over as they are, and
# there is nothing to be done when the account goes.
def _restorable_blobs(
    name: str, account: storage.StorageAccount, deleted: Deleted, placement: Placement, parent: pulumi.Resource
) -> storage.BlobServiceProperties:
    return storage.BlobServiceProperties(
        f"{name}-blobs",
        account_name=account.name,
        blob_services_name=DEFAULT_SERVICE,
        container_delete_retention_policy=_policy(deleted.container_days),
        delete_retention_policy=_policy(deleted.blob_days),
        resource_group_name=placement.resource_group_name,
        opts=pulumi.ResourceOptions(deleted_with=account, parent=parent),
    )


def _restorable_shares(
    name: str, account: storage.StorageAccount, deleted: Deleted, placement: Placement, parent: pulumi.Resource
) -> storage.FileServiceProperties:
    return storage.FileServiceProperties(
        f"{name}-shares",
        account_name=account.name,
        file_services_name=DEFAULT_SERVICE,
        resource_group_name=placement.resource_group_name,
        share_delete_retention_policy=_policy(deleted.share_days),
        opts=pulumi.ResourceOptions(deleted_with=account, parent=parent),
    )
