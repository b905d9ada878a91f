"""The kinds of values that the stack's configuration takes, each with its check."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from infra.settings import naming
from infra.settings.naming import SHARE_MOUNT
from infra.settings.retention import days_problem
from infra.settings.runner_limits import profile_problem
from infra.settings.silence import silence_problem

Value = TypeVar("Value")

# How much longer than the log's own name those of rotated logs are (pipeline_app/worker/share_log.py).
ROTATED_LENGTH = len("20260131T120000.000000Z-01234567")


# No shell expands the home folder in the value of a setting.
LocalPath: TypeAlias = Annotated[str, AfterValidator(os.path.expanduser)]


def named(rule: naming.NameRule) -> AfterValidator:
    """Return the check of a value against a rule for names."""
    return checked(rule.problem)


def checked(problem: Callable[[Value], str | None]) -> AfterValidator:
    """Return a check from a function that says what is wrong with a value, or None."""

    def check(value: Value) -> Value:
        if text := problem(value):
            raise ValueError(text)
        return value

    return AfterValidator(check)


def comma_separated(value: object) -> object:
    """Return the parts of a text between its commas, each once; what is no text is returned as it is."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(part for each in value.split(",") if (part := each.strip())))


def log_file_problem(value: str) -> str | None:
    """Return what is wrong with the path of a file on the mounted share, or None."""
    path = PurePosixPath(value)
    if not value.startswith(f"{SHARE_MOUNT}/") or str(path) != value or ".." in path.parts:
        return f"Allowed: the path of a file below {SHARE_MOUNT}, where the share is mounted."
    below = str(path.relative_to(SHARE_MOUNT))
    if below.split("/")[0].casefold() == naming.SHARE_CONFIG_FOLDER:
        return f"Allowed: a path that is not below {SHARE_MOUNT}/{naming.SHARE_CONFIG_FOLDER}, where the configs are."
    # Beside the log are the files that it was before, with a moment and an id behind its name.
    return naming.share_path_problem(below) or naming.share_path_problem(f"{below}.{'0' * ROTATED_LENGTH}")


def paths_problem(value: str) -> str | None:
    """Return what is wrong with paths in a container, of which applications may change what is there, or None."""
    for each in value.split(":") if value else ():
        path = PurePosixPath(each)
        shared = path == PurePosixPath(SHARE_MOUNT) or PurePosixPath(SHARE_MOUNT) in path.parents
        if not path.is_absolute() or len(path.parts) == 1 or ".." in path.parts or shared:
            return (
                "Allowed: absolute paths of files and folders in the container, separated by colons, such as /tmp; "
                f"not / itself, and nothing below {SHARE_MOUNT}, where the configs are."
            )
    return None


def none_if_empty(value: object) -> object:
    """Return None for the empty text, by which a stack leaves an optional key out."""
    return None if value == "" else value


def function_memory(value: int) -> int:
    """Return a size of memory that Flex Consumption has.

    The smallest was refused once (https://github.com/Azure/azure-rest-api-specs/issues/40898), so it is no default.
    Source: https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#instance-sizes
    """
    if value not in (512, 2048, 4096):
        raise ValueError("Allowed: 512, 2048 or 4096, the sizes that Flex Consumption has.")
    return value


def json_object(value: object) -> object:
    """Return the object that a text holds as JSON; what is no text is returned as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"Allowed: an object of texts; it is not JSON: {error}.") from error


def single_line(value: str) -> str | None:
    """Return what is wrong with a text that goes into one argument, or None."""
    return None if value.isprintable() else "Allowed: one line of printable characters."


BlobContainer: TypeAlias = Annotated[str, named(naming.BLOB_CONTAINER)]
BlobPath: TypeAlias = Annotated[str, named(naming.BLOB_PATH)]
Days: TypeAlias = Annotated[int, checked(days_problem)]
Emails: TypeAlias = Annotated[tuple[Annotated[str, named(naming.EMAIL)], ...], BeforeValidator(comma_separated)]
FunctionMemory: TypeAlias = Annotated[int, AfterValidator(function_memory)]
ImageWord: TypeAlias = Annotated[str, named(naming.IMAGE_WORD)]
Line: TypeAlias = Annotated[str, checked(single_line)]
ObjectIds: TypeAlias = Annotated[tuple[Annotated[str, named(naming.UUID)], ...], BeforeValidator(comma_separated)]
Version: TypeAlias = Annotated[str, named(naming.VERSION)]

OptionalActionGroup: TypeAlias = Annotated[
    Annotated[str, named(naming.ACTION_GROUP_ID)] | None, BeforeValidator(none_if_empty)
]
OptionalBlobName: TypeAlias = Annotated[Annotated[str, named(naming.BLOB_NAME)] | None, BeforeValidator(none_if_empty)]
# How much a container has depends on its runner (runner_limits.py).
OptionalDisk: TypeAlias = Annotated[Annotated[float, Field(ge=0.1, le=50)] | None, BeforeValidator(none_if_empty)]
OptionalImage: TypeAlias = Annotated[
    Annotated[str, named(naming.IMAGE_REFERENCE)] | None, BeforeValidator(none_if_empty)
]
OptionalKeyId: TypeAlias = Annotated[Annotated[str, named(naming.KEY_ID)] | None, BeforeValidator(none_if_empty)]
OptionalLine: TypeAlias = Annotated[Line | None, BeforeValidator(none_if_empty)]
OptionalProfile: TypeAlias = Annotated[Annotated[str, checked(profile_problem)] | None, BeforeValidator(none_if_empty)]
OptionalRegistry: TypeAlias = Annotated[Annotated[str, named(naming.REGISTRY)] | None, BeforeValidator(none_if_empty)]
OptionalRegistryId: TypeAlias = Annotated[
    Annotated[str, named(naming.REGISTRY_ID)] | None, BeforeValidator(none_if_empty)
]
OptionalSha256: TypeAlias = Annotated[Annotated[str, named(naming.SHA256)] | None, BeforeValidator(none_if_empty)]
OptionalSilence: TypeAlias = Annotated[Annotated[int, checked(silence_problem)] | None, BeforeValidator(none_if_empty)]
OptionalStorage: TypeAlias = Annotated[
    Annotated[str, named(naming.STORAGE_ACCOUNT)] | None, BeforeValidator(none_if_empty)
]
# Log Analytics takes no cap below this, and more than 4,000 GB a day no single workspace takes in without asking.
# Source: https://learn.microsoft.com/azure/azure-monitor/logs/daily-cap
OptionalCap: TypeAlias = Annotated[Annotated[float, Field(ge=0.1, le=4000)] | None, BeforeValidator(none_if_empty)]
OptionalTopic: TypeAlias = Annotated[Annotated[str, named(naming.SYSTEM_TOPIC)] | None, BeforeValidator(none_if_empty)]
OptionalUuid: TypeAlias = Annotated[Annotated[str, named(naming.UUID)] | None, BeforeValidator(none_if_empty)]
OptionalVault: TypeAlias = Annotated[Annotated[str, named(naming.VAULT)] | None, BeforeValidator(none_if_empty)]
OptionalVersion: TypeAlias = Annotated[Version | None, BeforeValidator(none_if_empty)]
