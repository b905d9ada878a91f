"""From what a person types to the name of a blob."""

from __future__ import annotations

import difflib
import re
from itertools import islice
from typing import Final

from infra.operate.storage import OperateError, Storage
from pipeline_app.contract import StorageNames, name_problem

# Comparing takes time, so a container with more inputs is compared in part.
COMPARED: Final = 20_000
NEAR: Final = 3

# Control characters, halves of characters, private use and non-characters, which nobody means to type.
_UNTYPED: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]")


class UnknownFileError(OperateError):
    """There is no such file; the text names those with nearly the same name."""


def find_name(given: str, storage: Storage, names: StorageNames) -> str:
    """Return the blob that a person means, who may leave the input path out.

    A file that is gone is still known by its receipt, and a blob outside the input path by its full name.

    Raises:
        OperateError: it is a name that no blob can have.
        UnknownFileError: there is none.
    """
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise OperateError(
            f"{given!r} is not UTF-8, so no blob has this name. Look up how it is called in the container."
        ) from error
    if (problem := name_problem(given, exists=True)) is not None:
        raise OperateError(f"{problem} {_instead(given)}")
    candidates = [name for name in (given, f"{names.input_path}/{given}") if names.is_input(name)]
    for name in (*candidates, given):
        try:
            if name and storage.find(name):
                return name
        except OperateError as error:
            # About some characters documents disagree, so whether there is such a name only the service can tell.
            if (problem := name_problem(name)) is None:
                raise
            raise OperateError(f"{problem} {_instead(given)} ({error})") from error
    for name in candidates:
        if storage.find(names.receipt_name(name)):
            return name
    raise UnknownFileError(
        f"There is neither an input nor a receipt of {given!r} in the container {names.container!r}. "
        + _near(given.removeprefix(f"{names.input_path}/"), storage, names)
    )


def _instead(given: str) -> str:
    """Return what to do about a name that no blob can have, in a sentence."""
    parts: list[str] = []
    for part in _UNTYPED.sub("", given).replace("\\", "/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif cut := part.rstrip("."):
            parts.append(cut)
    meant = "/".join(parts)
    if not meant or name_problem(meant) is not None:
        return "So there is no such file. Look up how it is called in the container, and name that."
    return f"So there is no such file. Did you mean {meant!r}? Else look up how it is called in the container."


def _near(given: str, storage: Storage, names: StorageNames) -> str:
    prefix = f"{names.input_path}/"
    inputs = [blob.name.removeprefix(prefix) for blob in islice(storage.list(prefix), COMPARED)]
    lowered = {name.lower(): name for name in reversed(inputs)}
    near = [lowered[match] for match in difflib.get_close_matches(given.lower(), lowered, n=NEAR)]
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    if not inputs:
        return f"Nothing was uploaded below {prefix!r} yet."
    return f"No upload below {prefix!r} has a name like it."
