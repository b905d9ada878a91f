"""What of the stack holds files, jobs, artifacts and images, by the types of the resources."""

from __future__ import annotations

from typing import Final

# The account of the Functions host, which makes all that is in it anew.
HOLDS_NOTHING: Final = "host"
HOLDERS: Final = frozenset(
    {
        "containerregistry:Registry",
        "resources:ResourceGroup",
        "storage:BlobContainer",
        "storage:FileShare",
        "storage:Queue",
        "storage:StorageAccount",
    }
)
