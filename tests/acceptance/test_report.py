"""What is shown and written: each answer, what follows from it, and what is left."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

from rich.console import Console

from infra.acceptance.asking import Answer
from infra.acceptance.command import announcement
from infra.acceptance.estimate import DEPLOY_MINUTES, DESTROY_MINUTES, estimate
from infra.acceptance.questions import QUESTIONS
from infra.acceptance.report import as_json, as_markdown, show
from infra.acceptance.running import Outcome
from infra.acceptance.stage import Left

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
LEFT = Left(commands=["az group delete --yes --name rg"], problem="409 Conflict", resources=["/subscriptions/s/plan"])
OUTCOME = Outcome(
    answers=[
        Answer(question=QUESTIONS[0], seen="Nothing would change.", seconds=3.14, verdict="as expected"),
        Answer(
            advice="Mend the image.",
            details={"media_type": "x|y"},
            question=QUESTIONS[1],
            seen="The manifest is x|y [red].",
            verdict="otherwise",
        ),
        Answer(question=QUESTIONS[2], seen="No core is free.", verdict="not answered"),
    ],
    failure="It was interrupted.",
    interrupted=True,
    left=LEFT,
)


def shown(outcome: Outcome) -> str:
    """Return what is printed."""
    file = io.StringIO()
    show(outcome, Console(file=file, width=160))
    return file.getvalue()


def test_the_table_has_each_question_what_is_expected_and_what_was_seen() -> None:
    text = shown(OUTCOME)
    for words in ("Question", "Expected", "Seen", "refresh-drift", "as expected", "otherwise", "not answered"):
        assert words in text
    # What Azure says is text, and never the console's markup.
    assert "[red]" in text


def test_what_could_not_be_destroyed_is_named_with_the_command_that_does_it() -> None:
    for text in (shown(OUTCOME), as_markdown(OUTCOME, "throwaway")):
        assert "/subscriptions/s/plan" in text
        assert "az group delete --yes --name rg" in text
        assert "Mend the image." in text


def test_a_stack_that_was_kept_is_told_with_the_command_that_destroys_it() -> None:
    outcome = Outcome(answers=OUTCOME.answers, kept=["pulumi destroy --yes --stack throwaway"])
    assert "pulumi destroy --yes --stack throwaway" in shown(outcome)
    assert json.loads(as_json(outcome, "throwaway"))["kept"] == ["pulumi destroy --yes --stack throwaway"]


def test_the_json_file_has_everything() -> None:
    record = json.loads(as_json(OUTCOME, "throwaway", MOMENT))

    assert record["stack"] == "throwaway"
    assert record["finished_at"] == "2026-01-31T12:00:00+00:00"
    assert [each["verdict"] for each in record["answers"]] == ["as expected", "otherwise", "not answered"]
    assert record["answers"][1]["details"] == {"media_type": "x|y"}
    assert record["answers"][0]["source"] == QUESTIONS[0].source
    assert record["left"] == {
        "commands": ["az group delete --yes --name rg"],
        "problem": "409 Conflict",
        "resources": ["/subscriptions/s/plan"],
    }


def test_the_markdown_table_keeps_its_columns_whatever_was_seen() -> None:
    rows = [line for line in as_markdown(OUTCOME, "throwaway", MOMENT).splitlines() if line.startswith("| **")]

    assert len(rows) == len(OUTCOME.answers)
    assert [row.replace("\\|", "").count("|") for row in rows] == [5, 5, 5]
    assert "x\\|y" in rows[1]


def test_the_estimate_counts_the_deploy_and_each_question() -> None:
    none, some, everything = estimate([]), estimate(QUESTIONS[:2]), estimate(QUESTIONS)

    assert none.minutes == DEPLOY_MINUTES + DESTROY_MINUTES
    assert none.dollars < some.dollars < everything.dollars < 5
    assert some.minutes == none.minutes + sum(question.minutes for question in QUESTIONS[:2])
    assert everything.longest_minutes > everything.minutes


def test_what_is_about_to_happen_is_said_with_place_time_and_cost() -> None:
    text = announcement("throwaway", {"azure-native:location": "northeurope"}, list(QUESTIONS))
    reckoned = estimate(QUESTIONS)

    for words in ("throwaway", "northeurope", f"{reckoned.minutes:.0f} minutes", f"{reckoned.dollars:.2f} US dollars"):
        assert words in text
