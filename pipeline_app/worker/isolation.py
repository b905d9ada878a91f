"""What one worker has in hand, and that a file which may have cost a worker its life is in hand alone.

While such a suspect waits or is worked on, no message is claimed. It waits until all others have come to their end, for
a minute at first. A suspect that waited in vain goes back to the queue and waits for twice as long each time that it
comes again, so that its turn comes, however long the others take, and they are not kept waiting for it all the time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline_app.worker.outside import OUTSIDE, Outside

POLL_SECONDS = 0.1
WAIT_SECONDS = 60.0
# No application runs for longer than a week (604,800 seconds), which the fourteenth wait outlasts.
_MAX_DOUBLINGS = 14


class Isolation:
    """Counts what is in hand, and lets one suspect at a time be alone; safe to use from several threads.

    Args:
        stopping: set once the worker is to end, so that nobody waits any longer.
        outside: has the time.
    """

    def __init__(self, stopping: threading.Event, outside: Outside = OUTSIDE) -> None:
        # After one suspect the next is often another, as after the loss of a worker with many files. Then messages are
        # claimed one by one, or each slot would have one of them, to give it back.
        self._careful = False
        self._changed = threading.Condition()
        self._held = 0
        self._outside = outside
        self._receiving = 0
        self._stopping = stopping
        self._suspect = False
        self._unknown = 0

    @property
    def busy(self) -> bool:
        """Whether messages are in hand or being asked for."""
        return self._held + self._receiving > 0

    @property
    def closed(self) -> bool:
        """Whether a suspect waits or is worked on."""
        return self._suspect

    @property
    def held(self) -> bool:
        """Whether messages are in hand."""
        return self._held > 0

    @property
    def single(self) -> bool:
        """Whether no more than one message is in hand or being asked for."""
        return self._held + self._receiving <= 1

    def enter(self) -> bool:
        """Ask to claim a message; if true, ``received`` has to follow."""
        with self._changed:
            if self._suspect or (self._careful and self._receiving + self._unknown):
                return False
            self._receiving += 1
            return True

    def received(self, *, message: bool) -> None:
        """Tell whether there was a message; ``admit`` and ``leave`` have to follow for one."""
        with self._changed:
            self._receiving -= 1
            if message:
                self._held += 1
                self._unknown += 1
            else:
                self._careful = False
            self._changed.notify_all()

    def admit(self, *, suspect: bool) -> bool:
        """Tell what a message is; false for a suspect if there is another one, so that it has to be given back.

        For a suspect that was admitted ``open`` has to follow.
        """
        with self._changed:
            self._unknown -= 1
            if not suspect:
                self._careful = False
                return True
            self._careful = True
            admitted = not self._suspect
            self._suspect = True
            return admitted

    def alone(self, seconds: float, lost: Callable[[], bool]) -> bool:
        """Wait until the suspect is all that is in hand; false after so many seconds, at the end, or if it is lost."""
        until = self._outside.monotonic() + seconds
        with self._changed:
            while not self.single:
                left = until - self._outside.monotonic()
                if self._stopping.is_set() or lost() or left <= 0:
                    return False
                self._changed.wait(min(left, POLL_SECONDS))
        return not self._stopping.is_set()

    def open(self) -> None:
        """Let messages be claimed again."""
        with self._changed:
            self._suspect = False

    def leave(self) -> None:
        """Tell that a message has come to its end."""
        with self._changed:
            self._held -= 1
            self._changed.notify_all()


def patience(given_back: int) -> float:
    """Return how long a suspect that was given back so many times waits to be alone, in seconds."""
    return WAIT_SECONDS * float(1 << min(given_back, _MAX_DOUBLINGS))
