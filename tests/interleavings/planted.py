"""Mistakes in the protocol, one for each condition and check that it has, to see that each of them is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline_app.worker import azure_blobs, commit, fetching, results, settling
from pipeline_app.worker.attempt import Processed
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.publication import Publication
from pipeline_app.worker.storage import Conflict
from pipeline_app.worker.working import WorkingMark

Plant = Callable[[pytest.MonkeyPatch], None]

# Instead of an ETag: no condition.
ANYTHING: Final = "*"
_condition = azure_blobs._condition
_put_log, _put_output, _put_receipt = Publication.put_log, Publication.put_output, Publication.put_receipt
_publish = commit.publish
_renew = WorkingMark.renew


def an_older_receipt_counts(patch: pytest.MonkeyPatch) -> None:
    """A receipt of whatever version is taken for that of the newest."""
    patch.setattr(Publication, "is_done", lambda self, receipt: receipt is not None)


def an_older_receipt_stays(patch: pytest.MonkeyPatch) -> None:
    """Results of a new version take the places of those that an older receipt goes on to name."""
    patch.setattr(commit, "_withdraw", lambda publication, receipt: receipt.etag)


def a_committed_attempt_is_not_finished(patch: pytest.MonkeyPatch) -> None:
    """Who takes over does not look whether the attempt before has committed."""
    patch.setattr(commit, "lacks_receipt", lambda log, receipt: False)


def each_attempt_is_the_first(patch: pytest.MonkeyPatch) -> None:
    """A conflict of a first attempt means that a request of its own was repeated."""

    def publish(publication: Publication, receipt: Any, files: Any, log: Path, *, first: bool) -> bool:
        try:
            for file in files:
                _put_output(publication, file, None, None)
        except Conflict:
            pass
        try:
            _put_log(publication, log, commit._end_log(log, log.stat().st_size, receipt), None)
            _put_receipt(publication, receipt, publication.id, None)
        except Conflict:
            return True
        return True

    patch.setattr(commit, "publish", publish)


def nobody_claims_the_log(patch: pytest.MonkeyPatch) -> None:
    """Who takes over leaves the log as it is, so that the attempt before can still commit."""

    def claim(publication: Publication, log: Any, receipt: Any) -> tuple[Any, Any]:
        publication.require_input()
        return (log.etag if log else None), (commit._withdraw(publication, receipt) if receipt else None)

    patch.setattr(commit, "_claim", claim)


def a_mark_goes_by_an_older_look_at_the_input(patch: pytest.MonkeyPatch) -> None:
    """The input is looked at before the log that is then marked."""
    require = Publication.require_input

    def renew(self: WorkingMark) -> None:
        require(self.publication)
        with patch.context() as inner:
            inner.setattr(Publication, "require_input", lambda publication: None)
            _renew(self)

    patch.setattr(WorkingMark, "renew", renew)


def the_claim_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """Results are written and deleted though somebody else has taken over since."""
    patch.setattr(Publication, "require_claim", lambda self, claim: None)


def the_input_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """An attempt on an older version may take over from one on the newest."""
    patch.setattr(Publication, "require_input", lambda self: None)


def the_log_comes_first(patch: pytest.MonkeyPatch) -> None:
    """The log commits an attempt whose results are not there yet."""

    def publish(publication: Publication, receipt: Any, files: Any, log: Path, *, first: bool) -> bool:
        if first and files:
            try:
                _put_log(publication, log, commit._end_log(log, log.stat().st_size, receipt), None)
                for file in files:
                    _put_output(publication, file, None, None)
                _put_receipt(publication, receipt, publication.id, None)
            except Conflict:
                return _publish(publication, receipt, files, log, first=False)
            return True
        return _publish(publication, receipt, files, log, first=first)

    patch.setattr(commit, "publish", publish)


def the_message_goes_first(patch: pytest.MonkeyPatch) -> None:
    """The message is deleted before the results are visible."""
    publish = JobProcessor._publish

    def early(self: JobProcessor, ran: Any) -> Processed:
        ran.claim.complete()
        return publish(self, ran)

    patch.setattr(JobProcessor, "_publish", early)


def the_message_of_an_older_version_is_deleted(patch: pytest.MonkeyPatch) -> None:
    """An attempt whose input was overwritten deletes its message, since that version is of no interest any more."""

    def give_back(claimed: Any, reason: str, **how: Any) -> Processed:
        return settling.skip(claimed, reason)

    patch.setattr(settling, "give_back", give_back)


def the_receipt_comes_before_the_log(patch: pytest.MonkeyPatch) -> None:
    """A receipt is visible before its attempt is committed."""

    def publish(publication: Publication, receipt: Any, files: Any, log: Path, *, first: bool) -> bool:
        if first:
            try:
                for file in files:
                    _put_output(publication, file, None, None)
                _put_receipt(publication, receipt, publication.id, None)
                _put_log(publication, log, commit._end_log(log, log.stat().st_size, receipt), None)
            except Conflict:
                return _publish(publication, receipt, files, log, first=False)
            return True
        return _publish(publication, receipt, files, log, first=first)

    patch.setattr(commit, "publish", publish)


def what_is_left_of_older_versions_stays(patch: pytest.MonkeyPatch) -> None:
    """Results of an older version that the new one does not have stay beside its own."""
    patch.setattr(results, "_delete_others", lambda publication, mine, claim: [])


def what_lost_attempts_left_stays(patch: pytest.MonkeyPatch) -> None:
    """Results of an attempt that was lost before it could commit stay beside those of the newest version."""
    patch.setattr(fetching, "remove_strays", lambda publication, log, receipt: None)


def what_was_committed_unknowingly_is_removed(patch: pytest.MonkeyPatch) -> None:
    """An attempt that was told of a conflict removes its results, though its log was written by a request before."""

    def remove_own(publication: Publication) -> None:
        own = [each for each in results._results(publication) if each.metadata.get("attempt") == publication.id]
        results._delete(publication, own)

    patch.setattr(commit, "remove_own", remove_own)


def _let_anything_be(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(azure_blobs, "_condition", lambda etag: {} if etag == ANYTHING else _condition(etag))


def the_log_is_written_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    """The log has no condition."""
    _let_anything_be(patch)
    patch.setattr(
        Publication, "put_log", lambda self, log, record_bytes, expected: _put_log(self, log, record_bytes, ANYTHING)
    )


def the_receipt_is_written_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    """The receipt has no condition."""
    _let_anything_be(patch)
    patch.setattr(
        Publication,
        "put_receipt",
        lambda self, receipt, attempt, expected: _put_receipt(self, receipt, attempt, ANYTHING),
    )


def results_are_written_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    """Results have no condition."""
    _let_anything_be(patch)
    patch.setattr(
        Publication, "put_output", lambda self, file, expected, claim: _put_output(self, file, ANYTHING, claim)
    )


PLANTED: Final[tuple[Plant, ...]] = (
    a_committed_attempt_is_not_finished,
    a_mark_goes_by_an_older_look_at_the_input,
    an_older_receipt_counts,
    an_older_receipt_stays,
    each_attempt_is_the_first,
    nobody_claims_the_log,
    results_are_written_whatever_is_there,
    the_claim_is_not_looked_at,
    the_input_is_not_looked_at,
    the_log_comes_first,
    the_log_is_written_whatever_is_there,
    the_message_goes_first,
    the_message_of_an_older_version_is_deleted,
    the_receipt_comes_before_the_log,
    the_receipt_is_written_whatever_is_there,
    what_is_left_of_older_versions_stays,
    what_lost_attempts_left_stays,
    what_was_committed_unknowingly_is_removed,
)
