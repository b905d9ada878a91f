"""The address of a blob with a signature."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from infra.deployer.signed_url import signed_url
from tests.infra.azure import PACKAGE

KEY = "YSBrZXk="


def test_a_signature_reads_one_blob_for_minutes() -> None:
    now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    package = signed_url(PACKAGE, KEY, now)
    query = parse_qs(urlsplit(package).query)
    assert package.startswith(f"{PACKAGE}?")
    assert (query["st"], query["se"]) == (["2026-01-31T11:55:00Z"], ["2026-01-31T12:30:00Z"])
    assert (query["sp"], query["spr"], query["sr"]) == (["r"], ["https"], ["b"])
    assert KEY not in package
