"""A machine whose clock is wrong reaches the service all the same, which refuses what is dated 15 minutes off."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from pipeline_app.rest.endpoint import StorageError
from tests.rest.scripted import OK, Act, endpoint, reply, serving


def refused(moment: str) -> Act:
    return Act(answer=reply(403, b"", f"Date: {moment}", "x-ms-error-code: AuthenticationFailed"))


@pytest.mark.parametrize("hours", [-9, 9])
def test_a_request_refused_for_its_date_is_sent_once_more_by_the_service_s_clock(hours: int) -> None:
    there = datetime.now(UTC) + timedelta(hours=hours)
    with serving([refused(format_datetime(there, usegmt=True)), OK, OK]) as service, endpoint(service) as storage:
        assert storage.call("PUT", "x", body=b"data").body == b"fine"
        storage.call("GET", "x")
    first, *later = (parsedate_to_datetime(seen.headers["x-ms-date"]) for seen in service.seen)
    assert abs(first - there) > timedelta(hours=8)
    assert all(abs(moment - there) < timedelta(minutes=5) for moment in later)
    assert [seen.body for seen in service.seen] == [b"data", b"data", b""]


def test_a_clock_that_jumps_after_it_was_set_right_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    there = datetime.now(UTC) + timedelta(hours=9)
    with serving([refused(format_datetime(there, usegmt=True)), OK, OK]) as service, endpoint(service) as storage:
        storage.call("GET", "x")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now - 100_000)
        storage.call("GET", "x")
    assert abs(parsedate_to_datetime(service.seen[-1].headers["x-ms-date"]) - there) < timedelta(minutes=5)


@pytest.mark.parametrize("moment", ["now", "", "no date"])
def test_a_refusal_that_is_not_for_the_date_is_told_at_once(moment: str) -> None:
    said = format_datetime(datetime.now(UTC), usegmt=True) if moment == "now" else moment
    with serving([refused(said)]) as service, endpoint(service) as storage, pytest.raises(StorageError):
        storage.call("GET", "x")
    assert len(service.seen) == 1


def test_a_service_whose_clock_is_never_met_is_asked_twice_and_no_more() -> None:
    acts = [refused("Thu, 01 Jan 1998 00:00:00 GMT"), refused("Thu, 01 Jan 2037 00:00:00 GMT")]
    with serving(acts) as service, endpoint(service) as storage, pytest.raises(StorageError):
        storage.call("GET", "x")
    assert len(service.seen) == 2
