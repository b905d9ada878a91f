"""A copy of the project that a test may edit, and its stacks on the real engine."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pulumi.automation as auto
from pulumi.automation.events import EngineEvent, StepEventMetadata

from tests.engine.standin.cloud import Cloud
from tests.engine.standin.docker import ENGINE_VARIABLE, Engine
from tests.engine.standin.proxy import Proxy

ROOT: Final = Path(__file__).parents[2]

COPIED: Final = (
    ".dockerignore",
    "Pulumi.dev.yaml",
    "Pulumi.yaml",
    "README.md",
    "__main__.py",
    "function",
    "infra",
    "pipeline_app",
    "requirements.txt",
)

# Steps that are parts of a replacement, or that change nothing.
SILENT: Final = frozenset({"create-replacement", "delete-replaced", "discard-replaced", "read", "same"})


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one command of the engine did.

    Attributes:
        error: what the command said at last, or None where it succeeded.
        failed: the names of the resources that an operation failed on.
        steps: all steps on resources (not on components) in the order in which they began, as (operation, name).
        summary: how many resources there were, components included, by what became of them.
        text: everything that the command showed, and all of its events.
    """

    error: str | None
    failed: set[str]
    steps: Sequence[tuple[str, str]]
    summary: dict[str, int]
    text: str

    @property
    def changes(self) -> dict[str, str]:
        """The operation by the name of each resource that did not stay the same."""
        return {name: operation for operation, name in self.steps if operation not in SILENT}

    def order(self, name: str) -> list[str]:
        """Return the operations on one resource."""
        return [operation for operation, subject in self.steps if subject == name]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A simulated cloud, a machine with a copy of the project, and what is needed to deploy the one into the other."""

    cloud: Cloud
    command: auto.PulumiCommand
    environment: dict[str, str]
    folder: Path
    machine: str
    proxy: Proxy

    @property
    def project(self) -> Path:
        """The copy of the project."""
        return self.folder / self.machine

    @property
    def engine(self) -> Engine:
        """The machine's Docker engine."""
        return Engine(Path(self.environment[ENGINE_VARIABLE]))

    def another_machine(self, name: str) -> Site:
        """Return a machine with a checkout of the same project and an empty engine, for the same cloud and stacks."""
        environment = self.environment | {ENGINE_VARIABLE: str(self.folder / f"{name}-engine.json")}
        site = replace(self, environment=environment, machine=name)
        shutil.copytree(self.project, site.project, symlinks=True, ignore=shutil.ignore_patterns("image-*"))
        site.engine.start()
        return site

    def deployment(self, stack: str = "dev") -> Deployment:
        """Return a stack of the project, made where it is not there yet."""
        return Deployment(self, stack)


class Deployment:
    """One stack of one copy of the project."""

    def __init__(self, site: Site, stack: str) -> None:
        self.site = site
        self._stack = auto.create_or_select_stack(
            stack,
            work_dir=str(site.project),
            opts=auto.LocalWorkspaceOptions(env_vars=site.environment, pulumi_command=site.command),
        )

    def configure(self, **settings: str) -> None:
        """Set keys of the stack's configuration."""
        self._stack.set_all_config({key: auto.ConfigValue(value) for key, value in settings.items()})

    def destroy(self) -> Run:
        """Run ``pulumi destroy`` and see it succeed."""
        return _succeeded(self.try_destroy())

    def preview(self) -> Run:
        """Run ``pulumi preview`` and see it succeed."""
        return _succeeded(self.try_preview())

    def replace(self, name: str) -> Run:
        """Run ``pulumi up`` that makes one resource anew, whether it differs or not, and see it succeed."""
        (urn,) = [each["urn"] for each in self.resources() if each["urn"].endswith(f"::{name}")]
        return _succeeded(self._run(self._stack.up, replace=[urn]))

    def refresh(self) -> Run:
        """Run ``pulumi refresh`` and see it succeed."""
        return _succeeded(self._run(self._stack.refresh))

    def up(self) -> Run:
        """Run ``pulumi up`` and see it succeed."""
        return _succeeded(self.try_up())

    def rename(self, name: str) -> None:
        """Run ``pulumi stack rename``."""
        arguments = ["stack", "rename", name, "--stack", self._stack.name]
        self.site.command.run(arguments, str(self.site.project), self.site.environment)
        self._stack = self.site.deployment(name)._stack

    def try_destroy(self) -> Run:
        """Run ``pulumi destroy``, which may fail."""
        return self._run(self._stack.destroy)

    def try_preview(self) -> Run:
        """Run ``pulumi preview``, which may fail."""
        return self._run(self._stack.preview)

    def try_up(self, *, continue_on_error: bool = False) -> Run:
        """Run ``pulumi up``, which may fail; it goes on with what does not depend on the failure if so told."""
        return self._run(self._stack.up, continue_on_error=continue_on_error)

    @property
    def name(self) -> str:
        """The stack's name."""
        return self._stack.name

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        return {key: output.value for key, output in self._stack.outputs().items()}

    def state(self) -> dict[str, Any]:
        """Return the stack's state as it is stored, with secrets as ciphertext."""
        arguments = ["stack", "export", "--stack", self._stack.name]
        found = json.loads(self.site.command.run(arguments, str(self.site.project), self.site.environment).stdout)
        return dict(found["deployment"])

    def deciphered_state(self) -> dict[str, Any]:
        """Return the stack's state with secrets in plain."""
        return dict(self._stack.export_stack().deployment or {})

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources of the state, without components and what the engine keeps for itself."""
        return [each for each in self.state().get("resources") or [] if _counts(each["type"])]

    def _run(self, command: Callable[..., Any], **options: Any) -> Run:
        # Runs follow one another, and the proxy answers for the cloud of the one that runs.
        self.site.proxy.cloud = self.site.cloud
        error = None
        events: list[EngineEvent] = []
        lines: list[str] = []
        try:
            command(color="never", on_error=lines.append, on_event=events.append, on_output=lines.append, **options)
        except auto.CommandError as failure:
            error = str(failure)
        steps: list[StepEventMetadata] = [
            each.resource_pre_event.metadata for each in events if each.resource_pre_event
        ]
        summaries = [each.summary_event.resource_changes for each in events if each.summary_event]
        return Run(
            error=error,
            failed={
                each.res_op_failed_event.metadata.urn.rpartition("::")[2] for each in events if each.res_op_failed_event
            },
            steps=[(step.op.value, step.urn.rpartition("::")[2]) for step in steps if _counts(step.type)],
            summary={str(key): count for summary in summaries for key, count in summary.items()},
            text="\n".join([*lines, *(json.dumps(each, default=vars) for each in events)]),
        )


@dataclass(frozen=True, kw_only=True)
class FirstDeploy:
    """A stack from nothing: what each command did, what it asked of the cloud, and what was there then.

    ``cloud`` and ``state`` are comparable; ``refused`` is what was left of the answers that refused a role.
    """

    cloud: dict[str, Any]
    deployment: Deployment
    preview: Run
    preview_requests: list[list[str]]
    refused: list[int]
    state: dict[str, Any]
    up: Run
    up_requests: list[list[str]]


NewSite: TypeAlias = Callable[[str], Site]


def copy_project(target: Path) -> None:
    """Copy what is deployed, with this environment's Python and the function's installed dependencies."""
    target.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "local")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy2(source, target / name)
    # What the simulated cloud does, it does at once, unless a test says otherwise.
    settings = (target / "Pulumi.yaml").read_text(encoding="utf-8")
    for key, seconds, at_once in (("roleWaitSeconds", 300, 0), ("verifySeconds", 900, 20)):
        start = f"  {key}:\n    type: integer\n    default: "
        assert f"{start}{seconds}\n" in settings
        settings = settings.replace(f"{start}{seconds}\n", f"{start}{at_once}\n")
    (target / "Pulumi.yaml").write_text(settings, encoding="utf-8")
    (target / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    build = target / ".build"
    build.mkdir()
    for packages in (ROOT / ".build").glob("function-packages-*"):
        (build / packages.name).symlink_to(packages, target_is_directory=True)


def _counts(token: str) -> bool:
    return not token.startswith(("file-processing:", "pulumi:"))


def _succeeded(run: Run) -> Run:
    assert run.error is None, run.error
    return run
