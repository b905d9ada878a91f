"""The command: refuse, say what it costs, ask, run, tell."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from infra.acceptance.asking import NotAnswered, Question
from infra.acceptance.estimate import estimate
from infra.acceptance.interrupts import listen
from infra.acceptance.pulumi_command import PulumiMissing, find_command
from infra.acceptance.questions import QUESTIONS
from infra.acceptance.refusals import refusal
from infra.acceptance.report import as_json, as_markdown, show
from infra.acceptance.running import run
from infra.acceptance.settings import PROJECT, stack_config
from infra.acceptance.site import Site, check_sign_in, open_site
from infra.acceptance.stage import Deployed, PulumiStage, StageError, StageOptions

USAGE = 2

app = typer.Typer(add_completion=False)


@app.command()
def acceptance(
    stack: Annotated[str, typer.Option(help="Name of the throw-away stack, which must not be there.", metavar="NAME")],
    only: Annotated[
        list[str] | None, typer.Option(help="Ask this question alone; may be repeated.", metavar="QUESTION")
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option("--config", "-c", help="Set a config key of the stack.", metavar="KEY=VALUE")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all answers to this file.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the table to this file.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack there, which costs until it is gone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Begin without asking.")] = False,
) -> None:
    """Deploy a throw-away stack to the subscription that is signed in, ask Azure what no document says, destroy it."""
    console = Console()
    questions = _chosen(only or [])
    settings = stack_config(_pairs(config or []))

    def say(line: str) -> None:
        # Where nobody listens any more, a closed terminal or the end of a pipe, the stack is destroyed all the same.
        with contextlib.suppress(OSError):
            console.print(Text(line), soft_wrap=True)

    try:
        # A name that files and settings rule out needs no backend to be refused.
        if (reason := refusal(stack, PROJECT, [], os.environ)) is not None:
            _refuse(reason)
        options = StageOptions(command=find_command(), config=settings, name=stack, project=PROJECT)
        stage = PulumiStage(options, say)
        if (reason := refusal(stack, PROJECT, stage.existing(), os.environ)) is not None:
            _refuse(reason)
        # It would be a pity to learn only after the deploy that nobody can ask.
        check_sign_in(settings)
    except (NotAnswered, PulumiMissing, StageError) as error:
        _refuse(str(error))
    say(announcement(stack, settings, questions))
    if not yes and typer.prompt(f"Type the stack's name, {stack}, to begin", default="", show_default=False) != stack:
        _refuse("Nothing was done.")

    @contextlib.contextmanager
    def opened(deployed: Deployed) -> Iterator[Site]:
        with open_site(deployed, stack, settings, stage.drift) as site:
            yield site

    outcome = run(stage, questions, opened, say, keep=keep)
    listen()
    for file, text in ((json_file, as_json(outcome, stack)), (markdown_file, as_markdown(outcome, stack))):
        if file is not None:
            file.write_text(text, encoding="utf-8")
    show(outcome, console)
    raise typer.Exit(outcome.exit_code)


def announcement(stack: str, settings: dict[str, str], questions: list[Question]) -> str:
    """Return what is about to happen, how long it takes and what it costs."""
    reckoned = estimate(questions)
    return (
        f"This deploys the whole pipeline as the stack {stack} to {settings['azure-native:location']}, in the "
        "subscription that is signed in: a resource group with two storage accounts, a registry, a vault, a Function "
        "App, a container group, Event Grid, a workspace and alerts; for the questions it makes up to 20 more "
        f"container groups for minutes, identities and role assignments. It asks {len(questions)} question(s) and "
        f"destroys everything. Estimated: {reckoned.minutes:.0f} minutes (at most "
        f"{reckoned.longest_minutes / 60:.1f} hours), {reckoned.dollars:.2f} US dollars. What stays is the vault in "
        "its soft-deleted state for 7 days, which costs nothing. docs/acceptance.md says how this is reckoned."
    )


def _chosen(names: list[str]) -> list[Question]:
    known = {question.name: question for question in QUESTIONS}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}.", param_hint="--only")
    return [question for question in QUESTIONS if not names or question.name in names]


def _pairs(items: list[str]) -> dict[str, str]:
    pairs = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"{item!r} is no KEY=VALUE.", param_hint="--config")
        pairs[key] = value
    return pairs


def _refuse(reason: str) -> NoReturn:
    Console(stderr=True).print(Text(reason, style="red"), soft_wrap=True)
    raise typer.Exit(USAGE)
