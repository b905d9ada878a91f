"""Conditions on role assignments: below which paths of a container a principal may read and write blobs.

Azure evaluates a condition with each request that the role's data actions would allow, and refuses what does not meet
it. Whether an action has an attribute is Azure's to say: a blob that is read, written or deleted has a path, a listing
has the prefix that it asks for and no path. What a request does not have meets no comparison.
Sources: https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes,
https://learn.microsoft.com/azure/role-based-access-control/conditions-format
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READ: Final = f"{BLOBS}/read"
# All that changes a blob, in a role of this project or in Storage Blob Data Contributor.
CHANGES: Final = (f"{BLOBS}/add/action", f"{BLOBS}/delete", f"{BLOBS}/write")
LIST: Final = "Blob.List"

VERSION: Final = "2.0"


def uploader_condition(input_path: str) -> str:
    """Return the condition under which whoever uploads changes inputs alone; reading is left to the role.

    ``input_path`` has no slash at its ends, as below.
    """
    return _change_below(input_path)


def worker_condition(input_path: str, output_path: str) -> str:
    """Return the condition under which the worker reads and lists inputs and results, and changes results alone."""
    read = f"!(ActionMatches{{'{READ}'}} AND NOT SubOperationMatches{{'{LIST}'}})"
    listed = f"!(ActionMatches{{'{READ}'}} AND SubOperationMatches{{'{LIST}'}})"
    paths = (input_path, output_path)
    return " AND ".join(
        [
            f"(({read}) OR ({_begins('@Resource', 'path', paths)}))",
            f"(({listed}) OR ({_begins('@Request', 'prefix', paths)}))",
            _change_below(output_path),
        ]
    )


def _begins(source: str, attribute: str, paths: Sequence[str]) -> str:
    # The slash tells a path from one that begins like it. Paths of the configuration have no quotes.
    return " OR ".join(f"{source}[{BLOBS}:{attribute}] StringStartsWith '{path}/'" for path in paths)


def _change_below(path: str) -> str:
    others = " AND ".join(f"!(ActionMatches{{'{action}'}})" for action in CHANGES)
    return f"(({others}) OR ({_begins('@Resource', 'path', [path])}))"
