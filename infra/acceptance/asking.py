"""Questions, and asking one: whatever happens to it becomes an answer, so that it never takes the others along."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from infra.acceptance.site import Site

Verdict: TypeAlias = Literal["as expected", "not answered", "otherwise"]


class NotAnswered(Exception):
    """A question could not be asked, or Azure gave no answer in its time; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What Azure did.

    Attributes:
        advice: where it is not as expected, what that means for the pipeline and what to do.
        as_expected: whether it is what the code relies on.
        details: figures and answers for the JSON file.
        text: the same in a sentence.
    """

    advice: str = ""
    as_expected: bool
    details: Mapping[str, Any] = field(default_factory=dict)
    text: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing about Azure that has to be seen.

    Attributes:
        ask: finds it out; it raises NotAnswered where it cannot.
        container_minutes: how long containers of one core and one GiB run for it, for the estimate of its cost.
        expected: the answer that is expected.
        limit_minutes: after this it is given up.
        minutes: how long it takes as a rule, an estimate.
        name: what ``--only`` takes.
        source: where the expected answer is from.
        text: the question.
    """

    ask: Callable[[Site], Seen]
    container_minutes: float = 0
    expected: str
    limit_minutes: float
    minutes: float
    name: str
    source: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a question; ``seconds`` is how long that took."""

    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    question: Question
    seconds: float = 0
    seen: str
    verdict: Verdict


def ask(question: Question, site: Site) -> Answer:
    """Ask one question, within its time; only an interrupt gets out of here."""
    begin = site.clock.now()
    try:
        with site.clock.limit(question.limit_minutes * 60):
            seen = question.ask(site)
    except NotAnswered as reason:
        return Answer(question=question, seconds=site.clock.now() - begin, seen=f"{reason}", verdict="not answered")
    except Exception as error:
        return Answer(
            details={"traceback": traceback.format_exc()},
            question=question,
            seconds=site.clock.now() - begin,
            seen=f"The question broke off: {type(error).__name__}: {error}",
            verdict="not answered",
        )
    return Answer(
        advice="" if seen.as_expected else seen.advice,
        details=seen.details,
        question=question,
        seconds=site.clock.now() - begin,
        seen=seen.text,
        verdict="as expected" if seen.as_expected else "otherwise",
    )


def unasked(questions: Sequence[Question], reason: str) -> list[Answer]:
    """Return the answers of questions that were never asked."""
    return [Answer(question=question, seen=reason, verdict="not answered") for question in questions]
