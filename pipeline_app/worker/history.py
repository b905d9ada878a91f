"""What became of the earlier claims of a message, and which of them count against its file.

A claim that ended without being given back is a loss: the worker was killed, or could not reach the storage. Whoever
was in that worker's hands is charged with it, and only one of them may be to blame. So a file with a loss behind it is
a suspect, which is worked on in isolation: its worker has nothing else in hand, and says so in the message before it
begins. A loss in isolation is the file's own. A loss in company counts for nothing, until one in isolation has shown
whose it was; then the first of them counts as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_app.contract import ContractError, FileJob

# No file is lost so often by what others do. A worker that is lost before it comes to say that it begins, by a fault of
# its own, would otherwise be lost for ever.
MAX_SHARED_LOSSES = 100


@dataclass(frozen=True, kw_only=True)
class History:
    """What became of the earlier claims of a message.

    Attributes:
        failed: so many ended as attempts that the worker lived through.
        isolated: so many were lost in isolation.
        shared: so many were lost while the worker may have had more in hand.
    """

    failed: int
    isolated: int
    shared: int

    @classmethod
    def of(cls, job: FileJob, dequeue_count: int) -> History:
        """Return the history of a message that was claimed so many times, the present claim included.

        Raises:
            ContractError: the message tells of more claims than there were.
        """
        shared = dequeue_count - 1 - job.given_back - job.failed - job.isolated
        if shared < 0:
            # A claim ends in one way, so this pipeline did not write it, and it might never run out of tries.
            raise ContractError(
                f"it says it was given back {job.given_back} times, failed {job.failed} times and was lost "
                f"{job.isolated} times, but was claimed {dequeue_count} times, this time included"
            )
        return cls(failed=job.failed, isolated=job.isolated, shared=shared)

    @property
    def attempt(self) -> int:
        """Which attempt this one is, of those that count against the file, from 1."""
        return 1 + self.failed + self.losses

    @property
    def losses(self) -> int:
        """How many losses count against the file."""
        first = 1 if self.isolated and self.shared else 0
        return self.isolated + first + max(0, self.shared - MAX_SHARED_LOSSES)

    @property
    def suspect(self) -> bool:
        """Whether the file may have cost a worker its life."""
        return self.isolated + self.shared > 0

    def verdict(self) -> str:
        """Return why a file that has no attempt left is not run again, in a sentence."""
        if not self.losses:
            return f"The last of {self.failed} attempts broke off in the worker; its log says why."
        times = "once" if self.losses == 1 else f"{self.losses} times"
        alone = ""
        if self.isolated and self.losses > 1:
            alone = f", {self.isolated} of them with no other file in hand"
        return (
            f"The worker was lost {times} while it processed this file{alone}: it was killed, ran out of memory or "
            "disk, or could not reach the storage."
        )
