"""How soon a wake-up comes, how many there are, and how often Azure Resource Manager is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pipeline_function.runners import Look
from pipeline_function.wakeups import MAX_SECONDS, RETRY_SECONDS, SOON_SECONDS, WakeUps

CALM = Look(calm=True, requests=1)
REFUSED = Look(calm=False, requests=2)


@dataclass
class Time:
    """The clock of a process, the wake-ups that it has put, and when it looked at the groups."""

    answer: Callable[[], Look] = lambda: CALM
    looks: list[float] = field(default_factory=list)
    moment: float = 100.0
    put: list[tuple[float, int]] = field(default_factory=list)

    def look(self) -> Look:
        self.looks.append(self.moment)
        return self.answer()

    def make(self) -> WakeUps:
        return WakeUps(lambda seconds: self.put.append((self.moment, seconds)), self.look, lambda: self.moment)

    def coming(self) -> list[float]:
        """Return when the wake-ups that are not visible yet will be, the next first."""
        return sorted(moment + seconds for moment, seconds in self.put if moment + seconds > self.moment)


@pytest.fixture
def time() -> Time:
    return Time()


def test_the_first_job_is_looked_at_at_once_and_again_within_the_retry_time(time: Time) -> None:
    time.make().job_was_put()
    assert (time.looks, time.put) == ([100.0], [(100.0, RETRY_SECONDS)])


def test_a_wake_up_is_on_the_queue_before_azure_is_asked(time: Time) -> None:
    """A process that is lost while it waits for an answer leaves it behind."""

    def dies() -> Look:
        assert time.put == [(100.0, RETRY_SECONDS)]
        raise KeyboardInterrupt

    time.answer = dies
    wake_ups = time.make()
    with pytest.raises(KeyboardInterrupt):
        wake_ups.job_was_put()
    # It can look again.
    time.answer = lambda: CALM
    time.moment += 1
    wake_ups.job_was_put()
    assert time.looks == [100.0, 101.0]


def test_a_refused_start_is_tried_again_within_15_seconds_however_often_it_is_refused(time: Time) -> None:
    """The host polls its queue every 5 seconds at least; see ``maxPollingInterval`` in host.json."""
    time.answer = lambda: REFUSED
    wake_ups = time.make()
    wake_ups.job_was_put()
    for _ in range(20):
        assert time.coming()[0] - time.looks[-1] <= 10
        time.moment = time.coming()[0]
        wake_ups.jobs_are_there()
        assert time.looks[-1] == time.moment


def test_a_refusal_after_a_long_calm_is_tried_again_as_soon(time: Time) -> None:
    wake_ups = time.make()
    wake_ups.job_was_put()
    for _ in range(6):
        time.moment = time.coming()[-1]
        wake_ups.jobs_are_there()
    assert time.coming() == [time.moment + MAX_SECONDS]
    time.moment += MAX_SECONDS
    time.answer = lambda: REFUSED
    wake_ups.jobs_are_there()
    assert time.coming()[0] == time.moment + RETRY_SECONDS


def test_the_longer_all_is_well_the_seldomer_it_is_looked_at_but_once_a_minute(time: Time) -> None:
    wake_ups = time.make()
    wake_ups.job_was_put()
    gaps = []
    for _ in range(6):
        (moment,) = time.coming()
        gaps.append(moment - time.moment)
        time.moment = moment
        wake_ups.jobs_are_there()
    assert gaps == [10, 20, 40, 60, 60, 60]
    # What Azure says of a worker that is just ending is not to be trusted, so a new job is looked after again soon.
    time.moment += 5
    wake_ups.job_was_put()
    assert time.coming()[0] == time.moment + RETRY_SECONDS


def test_who_comes_too_early_is_looked_after_soon(time: Time) -> None:
    wake_ups = time.make()
    wake_ups.job_was_put()
    time.moment += 0.5
    wake_ups.job_was_put()
    assert time.looks == [100.0]
    assert time.coming()[0] == time.moment + SOON_SECONDS


@pytest.mark.parametrize("answer", [CALM, REFUSED])
def test_at_10_000_uploads_a_minute_over_four_instances_each_asks_once_a_second_and_puts_little_more(
    time: Time, answer: Look
) -> None:
    time.answer = lambda: answer
    wake_ups = time.make()
    seconds, uploads = 60, 2500
    for _ in range(uploads):
        time.moment += seconds / uploads
        wake_ups.job_was_put()
        # What it has put is taken by itself, in time.
        while time.put and time.put[0][0] + time.put[0][1] <= time.moment:
            time.put.pop(0)
            wake_ups.jobs_are_there()
        time.put.sort(key=sum)
        assert len(time.put) <= 5
    assert len(time.looks) * answer.requests <= seconds + 1
    gaps = [later - earlier for earlier, later in zip(time.looks, time.looks[1:], strict=False)]
    assert min(gaps) >= answer.requests
    assert max(gaps) < answer.requests + 1


def test_many_groups_keep_nobody_from_a_retry_for_longer_than_that(time: Time) -> None:
    time.answer = lambda: Look(calm=False, requests=40)
    wake_ups = time.make()
    wake_ups.job_was_put()
    time.moment = time.coming()[0]
    wake_ups.jobs_are_there()
    assert time.looks == [100.0, 100.0 + RETRY_SECONDS]


def test_a_wake_up_that_cannot_be_put_is_the_caller_s_to_know(time: Time) -> None:
    def refuse(seconds: int) -> None:
        raise OSError("503 Server Busy")

    wake_ups = WakeUps(refuse, time.look, lambda: time.moment)
    for _ in range(2):
        with pytest.raises(OSError, match="503"):
            wake_ups.job_was_put()
    assert time.looks == []
