"""Run the unchanged Pulumi program against mocks and return what it exports."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import runpy
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
import yaml
from pulumi.runtime import get_root_resource, set_all_config, set_mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.stack import Stack, run_pulumi_func

PARALLEL_RESOURCES: Final = 64
SECRET: Final = "[secret]"  # noqa: S105


class ProgramError(RuntimeError):
    """The stack's configuration cannot be read; the text names the file and the key."""


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """A stack as the Pulumi CLI sees it: ``config`` by full key, such as ``azure-native:location``."""

    config: Mapping[str, str]
    name: str
    project: str


def read_stack(folder: Path, name: str, overrides: Mapping[str, str]) -> StackSettings:
    """Read ``Pulumi.yaml`` and ``Pulumi.NAME.yaml`` of a folder; overrides go first, defaults of the project last.

    A key without a namespace belongs to the project, as on the command line of Pulumi.

    Raises:
        ProgramError: a file is missing or no YAML mapping, or a value is encrypted and not overridden.
    """
    project_file, stack_file = folder / "Pulumi.yaml", folder / f"Pulumi.{name}.yaml"
    project = _mapping(project_file)
    project_name = project.get("name")
    if not isinstance(project_name, str):
        raise ProgramError(f"{project_file} has no name. Write the project's name there.")
    config: dict[str, str] = {}
    for key, declared in (project.get("config") or {}).items():
        default = declared.get("default", declared.get("value")) if isinstance(declared, dict) else declared
        if default is not None:
            config[_full(key, project_name)] = _text(default)
    given = {_full(key, project_name): value for key, value in overrides.items()}
    for key, value in (_mapping(stack_file).get("config") or {}).items():
        full = _full(key, project_name)
        if isinstance(value, dict) and set(value) == {"secure"}:
            if full not in given:
                raise ProgramError(
                    f"{key} in {stack_file} is encrypted, which only Pulumi reads. Give it with -c {key}=VALUE."
                )
        else:
            config[full] = _text(value)
    return StackSettings(config=config | given, name=name, project=project_name)


def run_program(folder: Path, stack: StackSettings, monitor: MockMonitor) -> dict[str, Any]:
    """Run ``__main__.py`` of a folder and return its outputs; secret ones are masked, as the CLI does.

    Call it once in a process, from any thread: Pulumi's runtime keeps what it has seen.

    Raises:
        Exception: whatever the program or a resource's handler raised.
    """
    try:
        return asyncio.run(_run(folder, stack, monitor))
    finally:
        # The program does without; what goes on for hours after it does not.
        gc.enable()


async def _run(folder: Path, stack: StackSettings, monitor: MockMonitor) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    # Handlers wait for processes, and by default there are few threads where there are few processors.
    loop.set_default_executor(ThreadPoolExecutor(PARALLEL_RESOURCES, thread_name_prefix="resource"))
    # Every output that waits for a failed resource repeats its failure; the failure itself is raised.
    loop.set_exception_handler(lambda _loop, _context: None)
    set_mocks(monitor.mocks, monitor=monitor, preview=False, project=stack.project, stack=stack.name)
    set_all_config(dict(stack.config))
    with _inside(folder):
        await run_pulumi_func(lambda: _execute(folder / "__main__.py"))
    root = get_root_resource()
    if not isinstance(root, Stack):
        raise RuntimeError("Pulumi kept no root resource, so the program's outputs are lost.")
    outputs = root.outputs
    return {name: await _value(value) for name, value in outputs.items()}


def _execute(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


async def _value(value: Any) -> Any:
    output = pulumi.Output.from_input(value)
    return SECRET if await output.is_secret() else await output.future()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Be in the program's folder with its modules importable, as under the Pulumi CLI."""
    before = Path.cwd()
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))


def _full(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ProgramError(f"There is no {path}. Create it, or name another stack with --stack.") from error
    except yaml.YAMLError as error:
        raise ProgramError(f"{path} is no YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ProgramError(f"{path} is a YAML {type(content).__name__}; it must be a mapping.")
    return content


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
