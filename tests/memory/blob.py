"""The state of one blob in memory, and the headers that show it.

Source: https://learn.microsoft.com/rest/api/storageservices/get-blob-properties
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Blob(NamedTuple):
    """A blob's state.

    Attributes:
        etag: without quotes; it says how often a blob of this name was written, so that like states are equal.
        modified: seconds since the account's epoch.
        lease: ``fixed``, ``infinite`` or ``breaking``; ``broken`` after one that was, and nothing without one.
        sealed: the code of what keeps it from being changed, though a look at it does not show that.
        unreadable: status and code of what keeps it from being read.
        blocks: ids and contents of what it was committed of.
    """

    etag: str
    data: bytes
    metadata: tuple[tuple[str, str], ...] = ()
    modified: float = 0.0
    lease: str = ""
    sealed: str = ""
    unreadable: tuple[int, str] | None = None
    tier: str = "Hot"
    tier_set: bool = False
    archive_status: str = ""
    kind: str = "BlockBlob"
    legal_hold: bool = False
    policy_until: float | None = None
    snapshots: int = 0
    tags: tuple[tuple[str, str], ...] = ()
    blocks: tuple[tuple[str, bytes], ...] = ()

    @property
    def locked(self) -> bool:
        """Whether a lease keeps it from being changed."""
        return self.lease not in ("", "broken")

    @property
    def hold(self) -> str:
        """The code with which a change of it is refused, but for a lease."""
        if self.legal_hold:
            return "BlobImmutableDueToLegalHold"
        return self.sealed or ("" if self.policy_until is None else "BlobImmutableDueToPolicy")

    @property
    def archived(self) -> str:
        """The code with which reading it, or overwriting it, is refused for its tier."""
        if self.tier != "Archive":
            return ""
        return "BlobBeingRehydrated" if self.archive_status else "BlobArchived"


def shown(blob: Blob, method: str, dated: Callable[[float], str]) -> tuple[tuple[str, str], ...]:
    """Return the headers in which an answer to GET or HEAD tells of a blob; the first says nothing of its tier."""
    policy = ("x-ms-immutability-policy-until-date", dated(blob.policy_until or 0.0))
    return (
        ("ETag", f'"{blob.etag}"'),
        ("Last-Modified", dated(blob.modified)),
        ("Content-Type", "application/octet-stream"),
        ("x-ms-blob-type", blob.kind),
        *(() if method == "GET" else _tier(blob)),
        *((("x-ms-archive-status", blob.archive_status),) if blob.archive_status else ()),
        *((("x-ms-legal-hold", "true"),) if blob.legal_hold else ()),
        *(() if blob.policy_until is None else (policy,)),
        *((("x-ms-tag-count", str(len(blob.tags))),) if blob.tags else ()),
        *_lease(blob.lease),
        *((f"x-ms-meta-{name}", value) for name, value in blob.metadata),
    )


def _lease(lease: str) -> tuple[tuple[str, str], ...]:
    if lease in ("", "broken"):
        return (("x-ms-lease-state", lease or "available"), ("x-ms-lease-status", "unlocked"))
    state = ("x-ms-lease-state", "breaking" if lease == "breaking" else "leased")
    duration = () if lease == "breaking" else (("x-ms-lease-duration", lease),)
    return (state, ("x-ms-lease-status", "locked"), *duration)


def _tier(blob: Blob) -> tuple[tuple[str, str], ...]:
    inferred = () if blob.tier_set else (("x-ms-access-tier-inferred", "true"),)
    return (("x-ms-access-tier", blob.tier), *inferred)
