"""What is simulated of very many inputs follows from what a page takes, and the service that is served is a listing."""

from __future__ import annotations

import pytest

from pipeline_app.rest import pages
from pipeline_app.rest.exchange import Answer
from tests.bench.audit_account import ETAG, PER_PAGE, LargeAccount
from tests.bench.audit_figures import Limits
from tests.bench.audits import Audit, projected
from tests.bench.storage import NAMES
from tests.memory.endpoint import MemoryEndpoint

LIMITS = Limits(listings=20, max_segments=48, min_pages=10, pages_per_second=18, run_seconds=50.0)


def test_a_pass_takes_as_many_listings_at_once_as_there_are_segments_or_the_processor_has_time_for() -> None:
    one = projected(10_000, 0.0, 0.02, 1.0, LIMITS)
    assert one.settled == pytest.approx(2 * 1.02 / 60)
    # 20,000 pages, 20 at once, in runs of 50 seconds a minute: 1,020 seconds are 20 whole runs and 20 seconds.
    assert projected(100_000_000, 0.0, 0.02, 1.0, LIMITS).settled == pytest.approx(20 + 20 / 60)
    busy = projected(100_000_000, 0.0, 0.1, 1.0, LIMITS)
    assert busy.running == pytest.approx(20_000 * 0.1 / 60)


def test_a_lost_event_waits_for_its_grace_a_pass_that_went_by_the_next_one_and_a_second_look() -> None:
    audit = Audit(inputs=100_000_000, first=0.0, settled=10.0, running=8.0, pages_per_second=18)
    # The next pass may begin no earlier than its pages have cost.
    assert audit.cycle == pytest.approx(20_000 / 18 / 60)
    assert audit.repair == pytest.approx(2 + audit.cycle + 10 + 1)
    listing, function = audit.dollars()
    assert listing == pytest.approx(365.25 / 12 * 24 * 60 / audit.cycle * 20_000 * 0.065 / 10_000)
    assert audit.dollars(pause=60)[1] < function


def page(account: LargeAccount, prefix: str, marker: str = "", start: str = "") -> Answer:
    endpoint, said = MemoryEndpoint(account.answer, "blob"), prefix == NAMES.output_path
    return pages.fetch_page(endpoint, NAMES.container, f"{prefix}/", marker=marker, metadata=said, start=start)


def test_the_account_that_is_served_lists_each_input_and_its_receipt_once() -> None:
    account = LargeAccount(2, 0.0)
    first = pages.changed_blobs(page(account, NAMES.input_path), None, None)
    second = pages.changed_blobs(page(account, NAMES.input_path, marker=first.marker), None, None)
    names = [blob.name for blob in (*first.blobs, *second.blobs)]
    assert len(set(names)) == 2 * PER_PAGE
    assert names == sorted(names)
    assert second.marker == ""
    wanted = {NAMES.receipt_name(name) for name in names}
    found: dict[str, str] = {}
    start = min(wanted)
    while start:
        read = pages.receipts(page(account, NAMES.output_path, start=start))
        assert not set(read.receipts) & set(found)
        found |= read.receipts
        start = min(wanted - set(found), default="")
    assert found == dict.fromkeys(wanted, ETAG)
