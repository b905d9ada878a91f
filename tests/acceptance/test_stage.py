"""What the stage makes of the engine's words, and how it gets to the engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest
from typer.testing import CliRunner

from infra.acceptance import command, site
from infra.acceptance.asking import NotAnswered
from infra.acceptance.pulumi_command import PulumiMissing, SessionCommand, find_command
from infra.acceptance.stage import PulumiStage, StageError, StageOptions

Steps = list[tuple[str, str, dict[str, Any]]]


class FakeCommand(SessionCommand):
    """A CLI that says what the test wants, by the words that its arguments have."""

    def __init__(self, answers: dict[str, tuple[int, str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.interrupted_at = ""
        self.version = None

    def run(self, args: list[str], *_: Any, **__: Any) -> auto.CommandResult:
        words = " ".join(args)
        self.asked.append(words)
        if self.interrupted_at and self.interrupted_at in words:
            raise KeyboardInterrupt
        for part, (code, text) in self.answers.items():
            if part in words:
                if code:
                    raise auto.CommandError(auto.CommandResult(stderr=text, stdout="", code=code))
                return auto.CommandResult(stderr="", stdout=text, code=0)
        return auto.CommandResult(stderr="", stdout="", code=0)


class FakeStack:
    """A stack whose refresh has these steps: operation, name and properties that differ."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def preview_refresh(self, *, on_event: Callable[[auto.EngineEvent], object], **_: Any) -> None:
        for operation, name, difference in self._steps:
            metadata = {
                "detailedDiff": {key: {"diffKind": "update", "inputDiff": False} for key in difference},
                "op": operation,
                "provider": "",
                "type": "azure-native:x:Y",
                "urn": f"urn:pulumi:throwaway::project::azure-native:x:Y::{name}",
            }
            on_event(
                auto.EngineEvent.from_json({"resOutputsEvent": {"metadata": metadata}, "sequence": 1, "timestamp": 1})
            )


def stage_of(fake: FakeCommand, folder: Path) -> PulumiStage:
    """Return a stage over a CLI that is played."""
    options = StageOptions(command=fake, config={}, name="throwaway", pause_seconds=0, project=folder)
    return PulumiStage(options, lambda _line: None)


def test_drift_names_resources_with_what_differs_and_leaves_out_those_that_are_the_same(tmp_path: Path) -> None:
    stage = stage_of(FakeCommand({}), tmp_path)
    stage._stack = FakeStack(  # type: ignore[assignment]
        [("update", "worker-1", {"tags": 1, "containers": 1}), ("same", "vault", {}), ("delete", "queue", {})]
    )
    assert stage.drift() == ["queue: delete", "worker-1: containers, tags"]


def test_a_backend_that_cannot_be_asked_is_told_in_its_own_words(tmp_path: Path) -> None:
    fake = FakeCommand({"stack ls": (255, "error: PULUMI_ACCESS_TOKEN must be set for login")})
    with pytest.raises(StageError, match=r"failed: error: PULUMI_ACCESS_TOKEN must be set"):
        stage_of(fake, tmp_path).existing()


def test_a_stack_that_was_never_made_is_not_destroyed(tmp_path: Path) -> None:
    fake = FakeCommand({"stack init": (255, "error: stack 'throwaway' already exists")})
    stage = stage_of(fake, tmp_path)
    with pytest.raises(StageError, match="already exists"):
        stage.create()
    assert stage.destroy() is None
    # It is somebody else's.
    assert not any("destroy" in words or "stack rm" in words for words in fake.asked)


def test_a_stack_whose_making_was_interrupted_is_destroyed(tmp_path: Path) -> None:
    fake = FakeCommand({})
    fake.interrupted_at = "stack init"
    stage = stage_of(fake, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        stage.create()
    stage.destroy()
    assert any(words.startswith("destroy") for words in fake.asked)


def test_a_destroy_that_fails_is_tried_again_and_then_told(tmp_path: Path) -> None:
    fake = FakeCommand({"stack export": (255, "error: no state"), "destroy": (255, "error: 409 Conflict")})
    stage = stage_of(fake, tmp_path)
    stage._stack = auto.Stack("throwaway", stage._workspace, auto._stack.StackInitMode.SELECT)
    left = stage.destroy()

    assert left is not None
    assert "409 Conflict" in left.problem
    assert "no state" in left.resources[0]
    assert left.commands == ["pulumi destroy --yes --stack throwaway", "pulumi stack rm --yes --force throwaway"]
    assert sum(words.startswith("destroy") for words in fake.asked) == 3


def test_without_a_cli_the_way_to_get_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(PulumiMissing, match="make pulumi"):
        find_command()


def test_nobody_signed_in_is_found_out_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ARM_")]:
        monkeypatch.delenv(name)
    with pytest.raises(NotAnswered, match=r"Nobody is signed in who could ask Azure: .*ARM_TENANT_ID"):
        site.check_sign_in({"azure-native:clientId": "c", "azure-native:clientSecret": "s"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing option"),
        (["--stack", "throwaway", "--only", "everything"], "'everything' is none of refresh-drift"),
        (["--stack", "throwaway", "-c", "slots"], "'slots' is no KEY=VALUE"),
        (["--stack", "dev", "--yes"], "'dev' is a stack that Pulumi.dev.yaml configures"),
        (["--stack", ""], "is no name for a throw-away stack"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_with_what_is_right(arguments: list[str], words: str) -> None:
    result = CliRunner(env={"COLUMNS": "400", "TERM": "dumb"}).invoke(command.app, arguments)

    assert result.exit_code == 2
    assert words in result.output
