"""The page of errors has each of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# These are programs of their own.
APART = {PROJECT / "infra" / "acceptance", PROJECT / "pipeline_app" / "sample"}
BASES = re.compile(r"(Error|Exception)$")


def declared() -> set[str]:
    """Return the names of all exceptions of the project, those among them that derive from others of its own."""
    classes = {}
    for folder in ("function", "infra", "pipeline_app"):
        for path in (PROJECT / folder).rglob("*.py"):
            if not APART.isdisjoint(path.parents):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    classes[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    found: set[str] = set()
    while more := {name for name, bases in classes.items() if bases & found or any(map(BASES.search, bases))} - found:
        found |= more
    return found


def test_each_exception_is_on_the_page_and_none_that_is_gone() -> None:
    page = (PROJECT / "docs" / "errors.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([A-Z]\w+)`", page))
    assert len(declared()) > 40
    assert {name for name in declared() if not name.startswith("_")} - told == set()
    assert told <= declared()
