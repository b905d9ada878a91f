"""The listing of a container's blobs as the service writes it.

Source: https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tests.memory.requests import Asked, Refused, element, elements
from tests.memory.rules import number_of

if TYPE_CHECKING:
    from tests.memory.blob import Blob

MOST: Final = 5000
_INCLUDES: Final = frozenset(
    {
        "copy",
        "deleted",
        "deletedwithversions",
        "immutabilitypolicy",
        "legalhold",
        "metadata",
        "permissions",
        "snapshots",
        "tags",
        "uncommittedblobs",
        "versions",
    }
)


def flat(path: str) -> Hashable:
    """Return what an account without a hierarchical namespace sorts a path by, as far as is known: its code points."""
    return path


def flat_units(path: str) -> Hashable:
    """Return what an account sorts by that goes by units of UTF-16."""
    return path.encode("utf-16-be", "surrogatepass")


def tree(path: str) -> Hashable:
    """Return what an account with a hierarchical namespace sorts by: a slash comes first.

    Source: https://github.com/Azure/azure-sdk-for-go/issues/24210
    """
    return path.replace("/", "\0")


def listing(
    asked: Asked,
    container: str,
    blobs: Mapping[str, Blob],
    paths: Sequence[str],
    dated: Callable[[float], str],
    order: Callable[[str], Any] = flat,
) -> bytes:
    """Return a page of a container's blobs, of all in the order of their ``paths``.

    Where it is told to ``startFrom`` a name, it begins there, as the service does from version 2026-02-06 on.
    """
    included = set(filter(None, (asked.parameter("include") or "").lower().split(",")))
    if not included <= _INCLUDES:
        raise Refused(400, "InvalidQueryParameterValue", f"include has {sorted(included - _INCLUDES)}.")
    most = min(number_of(asked, "maxresults", 1, 2**31 - 1, MOST), MOST)
    marker, prefix = asked.parameter("marker") or "", asked.parameter("prefix") or ""
    if marker and not marker.startswith("2!"):
        raise Refused(400, "InvalidQueryParameterValue", f"The marker {marker!r} is none.")
    begins = f"{container}/{prefix}"
    starts = [begins, *(f"{container}/{name}" for name in (marker[2:], asked.parameter("startFrom")) if name)]
    first = bisect_left(paths, max(map(order, starts)), key=order)
    found = list(takewhile(lambda path: path.startswith(begins), islice(paths, first, first + most + 1)))
    page, rest = found[:most], found[most:]
    listed = "".join(_listed(path.partition("/")[2], blobs[path], dated, included) for path in page)
    following = f"2!{rest[0].partition('/')[2]}" if rest else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
        f"<Blobs>{listed}</Blobs>{element('NextMarker', following)}</EnumerationResults>"
    ).encode()


def _listed(name: str, blob: Blob, dated: Callable[[float], str], included: set[str]) -> str:
    properties = {
        "Last-Modified": dated(blob.modified),
        "Etag": blob.etag,
        "Content-Length": len(blob.data),
        "BlobType": blob.kind,
        "AccessTier": blob.tier,
        "LeaseStatus": "locked" if blob.locked else "unlocked",
        "LeaseState": "leased" if blob.lease in ("fixed", "infinite") else blob.lease or "available",
    }
    if not blob.tier_set:
        properties["AccessTierInferred"] = "true"
    if blob.lease in ("fixed", "infinite"):
        properties["LeaseDuration"] = blob.lease
    if blob.archive_status:
        properties["ArchiveStatus"] = blob.archive_status
    if blob.legal_hold and "legalhold" in included:
        properties["LegalHold"] = "true"
    if blob.policy_until is not None and "immutabilitypolicy" in included:
        properties["ImmutabilityPolicyUntilDate"] = dated(blob.policy_until)
    said = f"<Metadata>{elements(blob.metadata)}</Metadata>" if "metadata" in included else ""
    return f"<Blob>{_named(name)}<Properties>{elements(properties)}</Properties>{said}</Blob>"


def _named(name: str) -> str:
    # What XML cannot carry comes as it would stand in a URL.
    if any(character in "\ufffe\uffff" or (character < " " and character not in "\t\n\r") for character in name):
        return element("Name", quote(name), Encoded="true")
    return element("Name", name)
