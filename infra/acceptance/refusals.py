"""Which names a throw-away stack may not have: those of stacks that somebody could miss."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,39}")
PRODUCTION: Final = frozenset({"live", "main", "prd", "prod", "production"})


def refusal(name: str, project: Path, existing: Iterable[str], environment: Mapping[str, str]) -> str | None:
    """Return why no throw-away stack may have this name, in a sentence with the way out, or None.

    Args:
        name: what was asked for.
        project: the program's folder, whose ``Pulumi.NAME.yaml`` files are of stacks that are configured.
        existing: the names of the stacks in the backend, qualified or not.
        environment: where ``PULUMI_STACK`` may name the stack that workflows deploy.
    """
    way_out = "Choose another name, such as STACK=acceptance-1."
    if not NAME.fullmatch(name):
        return f"{name!r} is no name for a throw-away stack: 2 to 40 letters, digits and hyphens. {way_out}"
    wanted = name.casefold()
    if words := sorted(PRODUCTION & set(wanted.split("-"))):
        return f"{name!r} has {words[0]!r} in it, as a production stack's name would. {way_out}"
    for file in project.glob("Pulumi.*.yaml"):
        if file.name.split(".", 1)[1].removesuffix(".yaml").casefold() == wanted:
            return f"{name!r} is a stack that {file.name} configures; it would be destroyed. {way_out}"
    if environment.get("PULUMI_STACK", "").rpartition("/")[2].casefold() == wanted:
        return f"{name!r} is the stack that PULUMI_STACK names; it would be destroyed. {way_out}"
    if wanted in {each.rpartition("/")[2].casefold() for each in existing}:
        return f"The stack {name!r} exists already; it would be destroyed. {way_out}"
    return None
