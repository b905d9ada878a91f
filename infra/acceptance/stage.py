"""The throw-away stack: the very program under a name of its own, deployed, looked at and destroyed."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import pulumi.automation as auto

from infra.operate.places import sign_in_hint

DESTROY_PAUSE_SECONDS: Final = 20.0
DESTROY_TRIES: Final = 3
RESOURCE_GROUP: Final = "azure-native:resources:ResourceGroup"
# What the engine keeps for itself is nothing that costs.
_OWN: Final = ("file-processing:", "pulumi:")


class StageError(RuntimeError):
    """The stack could not be made or deployed; the text has the engine's last words."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a destroy has left: why, the resources by id or name, and the commands that remove it."""

    commands: Sequence[str]
    problem: str
    resources: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The stack after its deploy: its outputs, and all resources of its state, each as the engine exports it."""

    outputs: Mapping[str, Any]
    resources: Sequence[Mapping[str, Any]] = field(default_factory=list)


class Stage(Protocol):
    """What carries the questions."""

    @property
    def name(self) -> str:
        """The stack's name."""

    def create(self) -> None:
        """Make the stack and configure it; raises StageError."""

    def destroy(self) -> Left | None:
        """Destroy and remove it, whatever state it is in; return what is left, or None. It does not raise."""

    def drift(self) -> list[str]:
        """Return what a refresh would change, as ``name: property, property``."""

    def how_to_destroy(self) -> list[str]:
        """Return the commands that destroy it by hand."""

    def up(self) -> Deployed:
        """Deploy it; raises StageError."""


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """Where the program is, what its throw-away stack is called and configured with, and how to reach the engine."""

    command: auto.PulumiCommand
    config: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    name: str
    pause_seconds: float = DESTROY_PAUSE_SECONDS
    project: Path


class PulumiStage:
    """The stack on the Pulumi engine, through its Automation API."""

    def __init__(self, options: StageOptions, say: Callable[[str], object]) -> None:
        """Prepare; ``say`` takes each line of the engine. Nothing is made yet."""
        self._options = options
        self._say = say
        self._stack: auto.Stack | None = None
        self._workspace = auto.LocalWorkspace(
            env_vars=dict(options.environment),
            pulumi_command=options.command,
            work_dir=str(options.project),
        )

    @property
    def name(self) -> str:
        """The stack's name."""
        return self._options.name

    def existing(self) -> list[str]:
        """Return the names of the stacks that the backend knows of this project.

        Raises:
            StageError: the backend does not say.
        """
        with _engine("Listing the stacks"):
            return [each.name for each in self._workspace.list_stacks()]

    def create(self) -> None:
        """Make the stack and configure it."""
        with _engine("Making the stack"):
            try:
                self._stack = auto.Stack.create(self.name, self._workspace)
            except KeyboardInterrupt:
                # It may have come after the stack was made, and there was none of this name before.
                with contextlib.suppress(auto.CommandError):
                    self._stack = auto.Stack.select(self.name, self._workspace)
                raise
            self._stack.set_all_config({key: auto.ConfigValue(value) for key, value in self._options.config.items()})

    def up(self) -> Deployed:
        """Deploy it."""
        stack = self._made()
        with _engine("The deploy"):
            result = stack.up(color="never", on_error=self._say, on_output=self._say)
            resources = (stack.export_stack().deployment or {}).get("resources") or []
        return Deployed(outputs={key: each.value for key, each in result.outputs.items()}, resources=resources)

    def drift(self) -> list[str]:
        """Return what a refresh would change."""
        changed: dict[str, list[str]] = {}

        def note(event: auto.EngineEvent) -> None:
            after = event.res_outputs_event
            if after is None or after.metadata.op in (auto.OpType.SAME, auto.OpType.REFRESH):
                return
            properties = sorted(after.metadata.detailed_diff or {}) or list(after.metadata.diffs or [])
            name = after.metadata.urn.rpartition("::")[2]
            changed[name] = properties or [after.metadata.op.value]

        self._made().preview_refresh(color="never", on_event=note)
        return [f"{name}: {', '.join(properties)}" for name, properties in sorted(changed.items())]

    def destroy(self) -> Left | None:
        """Destroy and remove it; a lock that an interrupted update left is this stack's own and is broken."""
        if self._stack is None:
            return None
        problem = ""
        for tried in range(DESTROY_TRIES):
            # What Azure refuses for a moment, such as deleting what is still being made, needs that moment.
            time.sleep(self._options.pause_seconds if tried else 0)
            try:
                self._stack.destroy(color="never", on_error=self._say, on_output=self._say)
                if not (left := self._remains()):
                    self._workspace.remove_stack(self.name)
                    return None
                problem = f"The engine ended well, but its state still has {len(left)} resource(s)."
            except auto.ConcurrentUpdateError as error:
                problem = _last_words(error)
                with contextlib.suppress(auto.CommandError):
                    self._stack.cancel()
            except Exception as error:
                problem = _last_words(error)
        return Left(commands=self.how_to_destroy(), problem=problem, resources=self._named_remains())

    def how_to_destroy(self) -> list[str]:
        """Return the commands that destroy it by hand: the engine's, and Azure's own for what no state knows of."""
        groups = [f"az group delete --yes --name {name}" for name in self._groups()]
        name = self.name
        return [f"pulumi destroy --yes --stack {name}", *groups, f"pulumi stack rm --yes --force {name}"]

    def _groups(self) -> list[str]:
        with contextlib.suppress(Exception):
            return sorted(
                str(each["inputs"]["resourceGroupName"]) for each in self._remains() if each["type"] == RESOURCE_GROUP
            )
        return []

    def _made(self) -> auto.Stack:
        if self._stack is None:
            raise StageError("The stack was not made.")
        return self._stack

    def _named_remains(self) -> list[str]:
        try:
            return sorted(str(each.get("id") or each["urn"]) for each in self._remains())
        except Exception as error:
            return [f"The state cannot be read: {_last_words(error)}"]

    def _remains(self) -> list[dict[str, Any]]:
        """Return what the state still has, with what was being made when an update was broken off."""
        exported = self._made().export_stack().deployment or {}
        pending = [each["resource"] for each in exported.get("pending_operations") or []]
        resources = [*(exported.get("resources") or []), *pending]
        return [each for each in resources if not each["type"].startswith(_OWN) or each["type"].startswith("pulumi-")]


@contextlib.contextmanager
def _engine(what: str) -> Any:
    try:
        yield
    except (auto.CommandError, json.JSONDecodeError) as error:
        said = _last_words(error)
        raise StageError(f"{what} failed: {said}{sign_in_hint(said)}") from error


def _last_words(error: Exception) -> str:
    """Return the end of what the engine said, without the progress before it."""
    lines = [line.strip().removeprefix("stderr: ") for line in str(error).splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower()]
    return " ".join((wrong or lines)[-3:]) or type(error).__name__
