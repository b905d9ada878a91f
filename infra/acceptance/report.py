"""The answers as a table on the console, as JSON, and as Markdown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.acceptance.asking import Verdict
from infra.acceptance.running import Outcome

COLOURS: Final[dict[Verdict, str]] = {"as expected": "green", "not answered": "yellow", "otherwise": "red"}


def show(outcome: Outcome, console: Console) -> None:
    """Print the table, and below it what an unexpected answer means and what is left."""
    table = Table("Question", "Expected", "Seen", show_lines=True, title="What Azure does")
    for answer in outcome.answers:
        seen = Text.assemble((answer.verdict, f"bold {COLOURS[answer.verdict]}"), f"\n{answer.seen}")
        table.add_row(
            Text.assemble((answer.question.name, "bold"), f"\n{answer.question.text}"),
            Text(answer.question.expected),
            seen,
        )
    console.print(table)
    for line in conclusions(outcome):
        console.print(Text(line), soft_wrap=True)


def conclusions(outcome: Outcome) -> list[str]:
    """Return, in sentences, what follows from the answers and what is left to do."""
    lines = [f"{answer.question.name}: {answer.advice}" for answer in outcome.answers if answer.advice]
    if outcome.failure:
        lines.append(f"Not all questions were asked. {outcome.failure}")
    if outcome.kept:
        lines += ["The stack was kept, and costs as long as it is there. Destroy it with:", *_indented(outcome.kept)]
    if outcome.left:
        lines.append(f"NOT EVERYTHING WAS DESTROYED, and it may cost. {outcome.left.problem}")
        lines += [*_indented(outcome.left.resources), "Remove it with:", *_indented(outcome.left.commands)]
    return lines


def as_json(outcome: Outcome, stack: str, moment: datetime | None = None) -> str:
    """Return everything that was found out, figures included."""
    record: dict[str, Any] = {
        "answers": [
            {
                "advice": answer.advice or None,
                "details": dict(answer.details),
                "expected": answer.question.expected,
                "name": answer.question.name,
                "question": answer.question.text,
                "seconds": round(answer.seconds, 1),
                "seen": answer.seen,
                "source": answer.question.source,
                "verdict": answer.verdict,
            }
            for answer in outcome.answers
        ],
        "failure": outcome.failure,
        "finished_at": (moment or datetime.now(UTC)).isoformat(timespec="seconds"),
        "interrupted": outcome.interrupted,
        "kept": list(outcome.kept),
        "left": None
        if outcome.left is None
        else {
            "commands": list(outcome.left.commands),
            "problem": outcome.left.problem,
            "resources": list(outcome.left.resources),
        },
        "stack": stack,
    }
    return json.dumps(record, default=str, indent=2) + "\n"


def as_markdown(outcome: Outcome, stack: str, moment: datetime | None = None) -> str:
    """Return the table with its sources, as it can go into an issue."""
    lines = [
        f"# What Azure does, asked by the stack {stack} on {moment or datetime.now(UTC):%Y-%m-%d}",
        "",
        "| Question | Expected | Seen | |",
        "| --- | --- | --- | --- |",
    ]
    for answer in outcome.answers:
        question = answer.question
        cells = (
            f"**{question.name}** {question.text}",
            f"{question.expected} ({question.source})",
            answer.seen,
            answer.verdict,
        )
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    if more := conclusions(outcome):
        lines += ["", *(f"{line}  " for line in more)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _indented(lines: Any) -> list[str]:
    return [f"  {line}" for line in lines]
