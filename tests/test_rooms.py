"""Each folder of the program says in a sentence what is in it, and no module is too large to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PROGRAM = ("function", "infra", "pipeline_app")
# What is put on the import path of another process, or zipped, is no package of the program's.
NO_PACKAGES = {"azurite_front", "azurite_lock", "config", "function", "sample", "sample_inputs"}
LINES = 300

MODULES = sorted(path for folder in PROGRAM for path in (PROJECT / folder).rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES if path.parent.name not in NO_PACKAGES})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PROJECT)))
def test_a_folder_says_what_is_in_it(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert said, folder
    assert said.partition("\n\n")[0].endswith("."), said


def test_no_module_is_too_large_and_neither_is_one_of_the_tests() -> None:
    tests = sorted((PROJECT / "tests").rglob("*.py"))
    assert len(MODULES) > 200
    assert len(tests) > 300
    paths = [PROJECT / "__main__.py", *MODULES, *tests]
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {str(path.relative_to(PROJECT)): size for path, size in sizes.items() if size > LINES} == {}
    assert sizes[PROJECT / "__main__.py"] < 60
