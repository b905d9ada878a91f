"""The frame: deploy, ask, and destroy, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from infra.acceptance.asking import Answer, Question, ask, unasked
from infra.acceptance.interrupts import withhold
from infra.acceptance.site import Site
from infra.acceptance.stage import Deployed, Left, Stage, StageError

INTERRUPTED: Final = 130

OpenSite = Callable[[Deployed], AbstractContextManager[Site]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it all.

    Attributes:
        answers: one for each question, in their order.
        failure: why the questions could not all be asked, or None.
        interrupted: whether a signal broke it off.
        kept: the commands that destroy the stack that was kept on demand; empty where none was.
        left: what could not be destroyed, or None.
    """

    answers: Sequence[Answer]
    failure: str | None = None
    interrupted: bool = False
    kept: Sequence[str] = ()
    left: Left | None = None

    @property
    def exit_code(self) -> int:
        """0 only where every question was answered as expected and nothing was left."""
        if self.interrupted and self.left is None:
            return INTERRUPTED
        good = all(answer.verdict == "as expected" for answer in self.answers)
        return 0 if good and self.answers and self.failure is None and self.left is None else 1


def run(
    stage: Stage,
    questions: Sequence[Question],
    open_site: OpenSite,
    say: Callable[[str], object],
    *,
    keep: bool = False,
) -> Outcome:
    """Deploy the stage, ask all questions of it, and destroy it, unless it is to be kept."""
    answers: list[Answer] = []
    failure: str | None = None
    interrupted = False
    left: Left | None = None
    kept: Sequence[str] = ()
    try:
        try:
            say(f"Deploying the stack {stage.name}.")
            stage.create()
            with open_site(stage.up()) as site:
                for number, question in enumerate(questions, start=1):
                    say(f"Question {number} of {len(questions)}, {question.name}: {question.text}")
                    answers.append(ask(question, site))
                    say(f"  {answers[-1].verdict}: {answers[-1].seen}")
        except StageError as error:
            failure = str(error)
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        withhold(lambda: None)
    except KeyboardInterrupt:
        interrupted = True
        failure = "It was interrupted."
    finally:
        withhold(lambda: say("The stack is being destroyed; this ends by itself."))
        if keep:
            kept = stage.how_to_destroy()
        else:
            say(f"Destroying the stack {stage.name}.")
            left = stage.destroy()
    answers += unasked(questions[len(answers) :], failure or "It was never asked.")
    return Outcome(answers=answers, failure=failure, interrupted=interrupted, kept=kept, left=left)
