"""The runtime and export configs: which command line the application gets for a file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

DEFAULT_ARGS = ("{input}", "{output}")
DEFAULT_TIMEOUT_SECONDS = 3600.0
# What the kernel takes as a command line and environment is far less.
MAX_CONFIG_BYTES = 1024 * 1024
PLACEHOLDERS = ("input", "output", "share")

_KEYS = ("args", "env", "timeout_seconds")
# No argument and no variable can hold these: the end of a string in C, and halves of characters.
_IMPOSSIBLE = re.compile("[\0\ud800-\udfff]")
_NAMED = 5
_SHOWN = 200
# Only a bare word in braces is a placeholder, so that an argument can hold JSON.
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class AppConfigError(ValueError):
    """A config that cannot be used; the text names the file, the key, the value and the fix."""


class ConfigRefused(Exception):
    """A config on the share is not the stack's, for which no file is to blame; the text says which, and what to do."""


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """How one step (runtime or export) calls the application.

    Attributes:
        args: arguments after the command, with placeholders not yet filled in.
        bounded: whether ``timeout_seconds`` is the config's own, which says how long the application may need.
        env: variables added to the application's environment.
        timeout_seconds: when the step is killed.
    """

    args: tuple[str, ...] = DEFAULT_ARGS
    bounded: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def command(self, app_alias: str, values: Mapping[str, str]) -> list[str]:
        """Return the argument vector, with ``{input}``, ``{output}`` and ``{share}`` filled in from ``values``.

        Replacement is by argument, in one pass and without a shell: what a value contains is never read again.
        """
        return [app_alias, *(_PLACEHOLDER.sub(lambda match: values[match[1]], arg) for arg in self.args)]


@dataclass(frozen=True, kw_only=True)
class AppConfig:
    """The steps to run for each file, and the SHA-256 over both config files as they were read."""

    runtime: StepConfig
    export: StepConfig | None
    sha256: str

    @property
    def bound_seconds(self) -> float | None:
        """How long the steps may take together, where each config says so itself; None where one leaves it open."""
        steps = [step for step in (self.runtime, self.export) if step is not None]
        return sum(step.timeout_seconds for step in steps) if all(step.bounded for step in steps) else None


def load(
    runtime_file: Path | None, export_file: Path | None, expected: Mapping[Path, str] = MappingProxyType({})
) -> AppConfig:
    """Read both configs from the share; without a runtime config the arguments are ``{input} {output}``.

    Each is read once, and what is compared is what is taken: an application may write to the share at any moment.

    Args:
        runtime_file: None where there is none.
        export_file: None where there is no export step.
        expected: the SHA-256 in hex of the files that have to be the stack's own.

    Raises:
        AppConfigError: a file cannot be read or says something that is not understood.
        ConfigRefused: a file that has to be the stack's own is another one, or cannot be read.
    """
    digest = hashlib.sha256()
    runtime = _load_step(runtime_file, digest.update, expected) if runtime_file else StepConfig()
    digest.update(b"\0")
    export = _load_step(export_file, digest.update, expected) if export_file else None
    return AppConfig(runtime=runtime, export=export, sha256=digest.hexdigest())


def parse(text: str | bytes, source: str) -> StepConfig:
    """Read one config from JSON; ``source`` names it in errors.

    Raises:
        AppConfigError: the text is not a config; all that is wrong is named at once.
    """
    try:
        config = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise AppConfigError(f"{source} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise AppConfigError(f"{source} is a JSON {type(config).__name__}; it must be an object with {_listed(_KEYS)}.")
    problems = []
    if unknown := [key for key in config if key not in _KEYS]:
        named = _listed(tuple(map(_shown, unknown[:_NAMED])))
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        problems.append(f"{source} has the unknown key {named}{more}; it may have {_listed(_KEYS)}.")
    values: dict[str, Any] = {}
    for key, read in _READERS.items():
        if key not in config:
            continue
        try:
            values[key] = read(config[key], source)
        except AppConfigError as error:
            problems.append(str(error))
    if problems:
        raise AppConfigError(" ".join(problems))
    return StepConfig(bounded="timeout_seconds" in config, **values)


def _load_step(path: Path, seen: Callable[[bytes], None], expected: Mapping[Path, str]) -> StepConfig:
    sha256 = expected.get(path)
    try:
        content = _read(path)
    except AppConfigError as error:
        # What has been removed or spoiled by one file must not fail the next.
        raise ConfigRefused(str(error)) if sha256 else error from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise ConfigRefused(
            f"The config {path} is not the one that this stack put there: its SHA-256 is {found}, and not {sha256}. "
            "Either a deploy is under way, which ends this by itself, or somebody, such as an application, has changed "
            "it: then 'pulumi up' (in a local run, its next start) puts it back. Until then no file is run, and none "
            "is lost."
        )
    seen(content)
    return parse(content, f"The config {path}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except PermissionError as error:
        # Container Instances has mounted shares for root alone before.
        # Source: https://github.com/MicrosoftDocs/azure-docs/issues/19017
        raise AppConfigError(
            f"The config {path} is there, but its mount does not let user {os.getuid()} read it: "
            f"{error.strerror or error}. Build the image without 'USER 10001' in pipeline_app/Dockerfile, or do "
            "without configs: set runtimeConfigFile and exportConfigFile to ''."
        ) from error
    except OSError as error:
        raise AppConfigError(
            f"The config {path} cannot be read: {error.strerror or error}. Put it on the share with `pulumi up`."
        ) from error
    if len(content) > MAX_CONFIG_BYTES:
        raise AppConfigError(f"The config {path} has more than {MAX_CONFIG_BYTES} bytes. Make it shorter.")
    return content


def _args(value: object, source: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(arg, str) for arg in value):
        raise AppConfigError(f"'args' of {source} is {_shown(value)}; it must be a list of strings.")
    for arg in value:
        if found := _IMPOSSIBLE.search(arg):
            raise AppConfigError(f"'args' of {source} has the character {found[0]!a} in {_shown(arg)}; take it out.")
        for match in _PLACEHOLDER.finditer(arg):
            if match[1] not in PLACEHOLDERS:
                known = _listed(tuple(f"{{{name}}}" for name in PLACEHOLDERS))
                raise AppConfigError(
                    f"'args' of {source} has the unknown placeholder {_shown(match[0])}; known are {known}."
                )
    return tuple(value)


def _env(value: object, source: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise AppConfigError(f"'env' of {source} is {_shown(value)}; it must be an object of strings.")
    for name, setting in value.items():
        if not name or "=" in name or _IMPOSSIBLE.search(name):
            raise AppConfigError(
                f"'env' of {source} has the name {_shown(name)}; it must be a variable name without '='."
            )
        if not isinstance(setting, str) or _IMPOSSIBLE.search(setting):
            raise AppConfigError(
                f"'env' of {source} sets {_shown(name)} to {_shown(setting)}; it must be a string without NUL."
            )
    return dict(value)


def _timeout(value: object, source: str) -> float:
    # JSON's NaN and Infinity compare false here too, and a bool is an int to Python.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 7 * 24 * 3600:
        raise AppConfigError(
            f"'timeout_seconds' of {source} is {_shown(value)}; it must be a number of seconds above 0, at most 604800."
        )
    return float(value)


_READERS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "args": _args,
    "env": _env,
    "timeout_seconds": _timeout,
}


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _shown(value: object) -> str:
    """Return a value for an error, which goes into a receipt: on one line, in ASCII, and short whatever was sent."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
