"""The frame: every question is asked or says why not, and the stack is destroyed whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.interrupts import SIGNALS, listen
from infra.acceptance.running import Outcome, run
from infra.acceptance.site import Site
from infra.acceptance.stage import Deployed, Left, StageError
from tests.acceptance.conftest import Play


@dataclass
class FakeStage:
    """A stage that notes what is done with it; a step that is broken raises or leaves something."""

    name: str = "throwaway"
    broken: dict[str, BaseException] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    left: Left | None = None
    while_destroying: Callable[[], object] = lambda: None

    def create(self) -> None:
        self._do("create")

    def up(self) -> Deployed:
        self._do("up")
        return Deployed(outputs={})

    def drift(self) -> list[str]:
        return []

    def destroy(self) -> Left | None:
        self._do("destroy")
        self.while_destroying()
        self.done.append("destroyed")
        return self.left

    def how_to_destroy(self) -> list[str]:
        return ["pulumi destroy --yes --stack throwaway"]

    def _do(self, step: str) -> None:
        self.done.append(step)
        if step in self.broken:
            raise self.broken[step]


def question(name: str, act: Callable[[], bool]) -> Question:
    """Return a question that does something and is as expected if that is true."""

    def ask(_site: Site) -> Seen:
        return Seen(advice="Mend it.", as_expected=act(), text="it was seen")

    return Question(ask=ask, expected="yes", limit_minutes=1, minutes=1, name=name, source="https://x", text="Is it?")


def good() -> bool:
    return True


def raising(error: BaseException) -> Callable[[], bool]:
    """Return what raises an error."""

    def act() -> bool:
        raise error

    return act


def sending(number: signal.Signals) -> Callable[[], bool]:
    """Return what sends a signal to this process."""

    def act() -> bool:
        os.kill(os.getpid(), number)
        return True

    return act


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Handle signals as the command does, and put the test's own back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def asked(
    play: Play, stage: FakeStage, *questions: Question, keep: bool = False, said: list[str] | None = None
) -> Outcome:
    """Run the frame over the stand-in's site."""

    @contextlib.contextmanager
    def opened(_deployed: Deployed) -> Iterator[Site]:
        yield play.site

    return run(stage, questions, opened, (said if said is not None else []).append, keep=keep)


def test_all_as_expected_and_all_destroyed_is_the_only_success(play: Play) -> None:
    stage = FakeStage()
    outcome = asked(play, stage, question("a", good), question("b", good))

    assert [each.verdict for each in outcome.answers] == ["as expected", "as expected"]
    assert stage.done == ["create", "up", "destroy", "destroyed"]
    assert outcome.exit_code == 0


def test_an_unexpected_answer_is_no_success(play: Play) -> None:
    outcome = asked(play, FakeStage(), question("a", lambda: False), question("b", good))

    assert [each.verdict for each in outcome.answers] == ["otherwise", "as expected"]
    assert outcome.answers[0].advice == "Mend it."
    assert outcome.exit_code == 1


@pytest.mark.parametrize("error", [NotAnswered("no core is free"), RuntimeError("no core is free")])
def test_a_question_that_breaks_off_takes_no_other_along(play: Play, error: Exception) -> None:
    stage = FakeStage()
    outcome = asked(play, stage, question("a", raising(error)), question("b", good))

    assert [each.verdict for each in outcome.answers] == ["not answered", "as expected"]
    assert "no core is free" in outcome.answers[0].seen
    assert outcome.exit_code == 1
    assert stage.done[-1] == "destroyed"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_within_a_question_ends_with_the_stack_destroyed(play: Play, number: signal.Signals) -> None:
    stage = FakeStage()
    outcome = asked(play, stage, question("a", good), question("b", sending(number)), question("c", good))

    assert [each.verdict for each in outcome.answers] == ["as expected", "not answered", "not answered"]
    assert stage.done[-1] == "destroyed"
    assert outcome.interrupted
    assert outcome.exit_code == 130


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_does_not_break_off_the_destroy(play: Play, number: signal.Signals) -> None:
    stage = FakeStage(while_destroying=sending(number))
    said: list[str] = []
    outcome = asked(play, stage, question("a", good), said=said)

    assert stage.done[-1] == "destroyed"
    assert outcome.exit_code == 0
    assert said[-1] == "The stack is being destroyed; this ends by itself."


@pytest.mark.parametrize("number", SIGNALS)
def test_only_the_first_signal_ends_what_is_going_on(number: signal.Signals) -> None:
    send = sending(number)
    with pytest.raises(KeyboardInterrupt):
        send()
    assert send()
    listen()
    with pytest.raises(KeyboardInterrupt):
        send()


@pytest.mark.parametrize("step", ["create", "up"])
@pytest.mark.parametrize("error", [StageError("no quota"), ValueError("no quota"), KeyboardInterrupt()])
def test_a_deploy_that_ends_early_is_destroyed(play: Play, step: str, error: BaseException) -> None:
    stage = FakeStage(broken={step: error})
    outcome = asked(play, stage, question("a", good))

    assert stage.done[-1] == "destroyed"
    assert [each.verdict for each in outcome.answers] == ["not answered"]
    assert outcome.failure in ("no quota", "ValueError: no quota", "It was interrupted.")
    assert outcome.answers[0].seen == outcome.failure
    assert outcome.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)


def test_a_site_that_cannot_be_opened_ends_with_the_stack_destroyed(play: Play) -> None:
    stage = FakeStage()

    def opened(_deployed: Deployed) -> contextlib.AbstractContextManager[Site]:
        raise NotAnswered("Listing the account's keys was answered with 403")

    outcome = run(stage, [question("a", good)], opened, lambda _line: None)

    assert stage.done[-1] == "destroyed"
    assert "403" in outcome.answers[0].seen
    assert outcome.exit_code == 1


def test_what_is_left_is_no_success_even_after_an_interrupt(play: Play) -> None:
    left = Left(commands=["pulumi destroy --yes --stack throwaway"], problem="409", resources=["/plan"])
    outcome = asked(play, FakeStage(left=left), question("a", good))
    interrupted = asked(play, FakeStage(left=left, broken={"up": KeyboardInterrupt()}), question("a", good))

    assert outcome.exit_code == 1
    assert interrupted.exit_code == 1


def test_a_stack_that_is_kept_says_how_it_is_destroyed(play: Play) -> None:
    stage = FakeStage()
    outcome = asked(play, stage, question("a", good), keep=True)

    assert "destroy" not in stage.done
    assert outcome.kept == ["pulumi destroy --yes --stack throwaway"]
    assert outcome.exit_code == 0


def test_a_question_ends_at_its_limit(play: Play) -> None:
    def sleeping() -> bool:
        play.site.clock.sleep(61)
        return True

    outcome = asked(play, FakeStage(), question("a", sleeping), question("b", good))

    assert [each.verdict for each in outcome.answers] == ["not answered", "as expected"]
    assert "limit" in outcome.answers[0].seen
