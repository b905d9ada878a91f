"""From what a person types to the name of a blob."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import Final

from infra.operate.storage import OperateError, Storage
from pipeline_app.contract import StorageNames

# Comparing takes time, so a container with more inputs is compared in part.
COMPARED: Final = 20_000
NEAR: Final = 3


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
    candidates = [name for name in (given, f"{names.input_path}/{given}") if names.is_input(name)]
    for name in (*candidates, given):
        if name and storage.find(name):
            return name
    for name in candidates:
        if storage.find(names.receipt_name(name)):
            return name
    raise UnknownFileError(
        f"There is neither an input nor a receipt of {given!r} in the container {names.container!r}. "
        + _near(given.removeprefix(f"{names.input_path}/"), storage, names)
    )


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
