"""How moments and versions are written."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the present moment as RFC 3339 UTC with milliseconds, such as ``2026-01-31T12:00:00.000Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_etag(etag: str) -> str:
    """Return an ETag without quotes; Event Grid and the Blob service write them differently."""
    return etag.strip().strip('"')
