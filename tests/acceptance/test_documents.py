"""What is written about the questions is so, and nothing that is deployed knows of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.acceptance.asking import Question
from infra.acceptance.estimate import estimate
from infra.acceptance.questions import QUESTIONS

PROJECT = Path(__file__).parents[2]
DOCUMENT = (PROJECT / "docs" / "acceptance.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_each_question_is_in_the_document_as_it_is_asked(question: Question) -> None:
    assert f"| `{question.name}` | {question.text} | {question.expected} | {question.minutes:g} |" in DOCUMENT


def test_the_documents_say_how_long_and_how_many() -> None:
    operations = " ".join((PROJECT / "docs" / "operations.md").read_text(encoding="utf-8").split())
    reckoned = estimate(QUESTIONS)

    assert f"{reckoned.minutes:.0f} minutes in all" in DOCUMENT
    assert f"some {round(sum(question.container_minutes for question in QUESTIONS), -1):g} minutes of" in DOCUMENT
    assert f"asks {len(QUESTIONS)} questions" in operations
    assert reckoned.dollars < 1
    assert "less than a US dollar" in operations


def test_nothing_else_imports_the_questions() -> None:
    own = PROJECT / "infra" / "acceptance"
    files = [PROJECT / "__main__.py", *PROJECT.glob("infra/**/*.py"), *PROJECT.glob("pipeline_app/**/*.py")]
    others = [file for file in [*files, *PROJECT.glob("function/**/*.py")] if not file.is_relative_to(own)]

    assert len(others) > 50
    assert [file for file in others if "infra.acceptance" in file.read_text(encoding="utf-8")] == []


def test_the_names_of_questions_are_their_own() -> None:
    names = [question.name for question in QUESTIONS]
    assert len(set(names)) == len(names)
