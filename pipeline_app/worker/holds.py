"""What keeps a blob that is there from being overwritten or deleted, in words that say how to end it.

Sources: https://learn.microsoft.com/rest/api/storageservices/lease-blob,
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes,
https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview,
https://learn.microsoft.com/cli/azure/storage/blob/lease, https://learn.microsoft.com/cli/azure/storage/container
"""

from __future__ import annotations

import shlex
from typing import Final

BREAKING: Final = "breaking"
FIXED: Final = "fixed"
INFINITE: Final = "infinite"
# What the service answers to a write that does not name the lease, which only its holder can.
LEASED_CODES: Final = frozenset({"LeaseIdMismatchWithBlobOperation", "LeaseIdMissing", "LeaseLost"})
# A blob that cannot be overwritten for these reasons can still be deleted, and then be made anew.
# Sources: https://github.com/Azure/azure-storage-azcopy/issues/1688 (archive), and the error codes.
DELETABLE_CODES: Final = frozenset({"BlobArchived", "BlobBeingRehydrated", "InvalidBlobType"})
# These end by themselves.
PASSING_CODES: Final = frozenset({"PendingCopyOperation"})

_ACCESS: Final = "(with --account-name and --auth-mode login, or with --connection-string)"


def lease_of(status: str | None, state: str | None, duration: str | None) -> str:
    """Return which lease keeps writers from a blob, by what the service says of it.

    Returns:
        ``fixed`` (15 to 60 seconds after it was taken or renewed), ``infinite``, ``breaking`` (ends within a minute by
        itself), or nothing where none does.
    """
    if status != "locked":
        return ""
    return BREAKING if state == BREAKING else INFINITE if duration == INFINITE else FIXED


def passes(lease: str) -> bool:
    """Tell whether a lease ends by itself, unless its holder renews it."""
    return lease in (BREAKING, FIXED)


def explain(name: str, container: str, code: str, lease: str = "") -> str:
    """Return why a blob cannot be overwritten or deleted, and what ends that, in sentences.

    Args:
        name: the blob.
        container: where it is.
        code: the service's own error code.
        lease: as ``lease_of``.
    """
    place = f"--container-name {shlex.quote(container)} {{}} {shlex.quote(name)}"
    blob, named = place.format("--blob-name"), place.format("--name")
    what = f"The blob {name!r} can be neither overwritten nor deleted ({code})"
    if code in LEASED_CODES:
        kind = {
            BREAKING: "a lease that is being broken and ends within a minute",
            FIXED: "a lease of 15 to 60 seconds, which ends by itself unless its holder goes on renewing it",
            INFINITE: "a lease of infinite duration, which never ends by itself",
        }.get(lease, "a lease")
        return f"{what}: somebody holds {kind}. End it with 'az storage blob lease break {blob}' {_ACCESS}."
    if code == "BlobImmutableDueToLegalHold":
        return (
            f"{what}: it is under a legal hold. Whoever set that may end it, with 'az storage container legal-hold "
            f"clear' for one of the container, or with 'az storage blob set-legal-hold --legal-hold false {named}' "
            f"{_ACCESS}."
        )
    if code == "BlobImmutableDueToPolicy":
        return (
            f"{what}: an immutability policy keeps it as it is until its time is over. Wait until then; one that is "
            "not locked is removed with 'az storage container immutability-policy delete', or with 'az storage blob "
            f"immutability-policy delete {named}' {_ACCESS}."
        )
    if code in ("BlobArchived", "BlobBeingRehydrated"):
        return (
            f"The blob {name!r} can be neither read nor overwritten ({code}): it is in the archive tier. Set its tier "
            f"with 'az storage blob set-tier --tier Hot {named}' {_ACCESS} and wait until that is done, which takes up "
            "to 15 hours, or delete it."
        )
    if code == "PendingCopyOperation":
        return f"{what}: a copy to it is under way. Wait for it, or end it with 'az storage blob copy cancel'."
    return f"{what}: the storage refuses it for good. Delete it or rename it."
