"""What it means that the storage refuses something: a race was lost, one blob is held or unreadable, or it passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline_app.rest.endpoint import StorageError, StorageUnreachable
from pipeline_app.worker import holds
from pipeline_app.worker.storage import BlobHeld, BlobUnreadable

_FORBIDDEN: Final = 403
# What the service says to a writer that was late. Blocks vanish where another writer has committed its own in between.
# The same statuses stand for leases and policies, too, and these do not end by looking again.
_LOST_RACES: Final = frozenset(
    {"BlobAlreadyExists", "BlobNotFound", "BlobOverwritten", "ConditionNotMet", "InvalidBlockList"}
)
_LOST_RACE_STATUS: Final = frozenset({404, 409, 412})
# Why a blob cannot be read, now or ever, though it is there and the identity has its role; by the service's own code.
# Source: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
_UNREADABLE: Final[Mapping[str, str]] = {
    "BlobArchived": (
        "it is in the archive tier, and nothing can be read from there. Set its tier to hot, cool or cold, wait some "
        "hours until that is done, and 'retry' it"
    ),
    "BlobBeingRehydrated": "it is on its way out of the archive tier, which takes hours. 'retry' it after that",
    "BlobUsesCustomerSpecifiedEncryption": (
        "it was uploaded with an encryption key of its own, which the pipeline does not have. Upload it without one"
    ),
}
_STATE_STATUS: Final = frozenset({409, 412})
# Also 403: a fresh role assignment takes minutes to be known everywhere. And a container or queue that is being made
# anew is no file's fault. None of these is waited for without end; see GIVE_UP_SECONDS.
_PASSING_CODES: Final = frozenset(
    {
        "ContainerBeingDeleted",
        "ContainerDisabled",
        "ContainerNotFound",
        "QueueBeingDeleted",
        "QueueDisabled",
        "QueueNotFound",
    }
)
_PASSING_STATUS: Final = frozenset({401, 403, 408, 429})


def is_transient(error: Exception) -> bool:
    """Tell whether an error is the service's or the network's passing state and says nothing about a blob."""
    if isinstance(error, StorageError):
        return error.status >= 500 or error.status in _PASSING_STATUS or error.code in _PASSING_CODES
    return isinstance(error, StorageUnreachable) or (isinstance(error, BlobUnreadable) and error.passing)


def is_lost_race(error: StorageError) -> bool:
    """Tell whether a writer's condition was refused, since another writer was faster."""
    return error.code in _LOST_RACES or (not error.code and error.status in _LOST_RACE_STATUS)


def held_by_state(name: str, container: str, error: StorageError) -> BlobHeld | None:
    """Return what keeps a blob from being changed, where the service says that the blob's own state does."""
    # What says so of a single blob would say so again.
    if error.status not in _STATE_STATUS or error.code in _PASSING_CODES:
        return None
    return BlobHeld(
        name,
        f"{holds.explain(name, container, error.code)} The storage said: {error}",
        deletable=error.code in holds.DELETABLE_CODES,
        passing=error.code in holds.PASSING_CODES,
    )


def is_about_rights(error: StorageError) -> bool:
    """Tell whether an answer is about what the identity may do, with this blob or with all."""
    return error.status == _FORBIDDEN and error.code not in _UNREADABLE


def unreadable(name: str, error: StorageError) -> BlobUnreadable:
    """Return why a blob cannot be read, for an answer that is about this blob and no other."""
    if is_about_rights(error):
        reason = "this blob alone is refused to the pipeline, as a scan for malware or a condition of a role may do"
    else:
        reason = _UNREADABLE.get(error.code, "the storage refuses it for good")
    passing = error.status == _FORBIDDEN
    return BlobUnreadable(f"The blob {name!r} cannot be read: {reason} ({error}).", passing=passing)
