"""All that is pinned is kept current: each kind of file has a manager that knows it, and is as that one needs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.packages.test_pins import LOCKS

ROOT = Path(__file__).parents[1]
CONFIG: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))

# What each manager updates here, by the files that it finds by itself.
FOUND = {
    "dockerfile": ["pipeline_app/Dockerfile"],
    "github-actions": [f".github/workflows/{name}.yml" for name in ("ci", "deploy", "destroy", "preview")],
    "npm": ["infra/local/services/azurite_lock/package.json"],
    "pip-compile": LOCKS,
}


def test_every_kind_of_pin_has_its_manager() -> None:
    assert CONFIG["enabledManagers"] == sorted(FOUND)
    for files in FOUND.values():
        assert [name for name in files if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_found_and_says_how_it_is_made(lock: str) -> None:
    """The manager of locks looks for nothing by itself, and makes each anew by the command at its head."""
    patterns = [each.strip("/") for each in CONFIG["pip-compile"]["managerFilePatterns"]]
    assert any(re.search(pattern, lock) for pattern in patterns)
    head = (ROOT / lock).read_text(encoding="utf-8").splitlines()[1]
    options = "--universal --generate-hashes --no-annotate --python-version 3.11 --output-file requirements.txt"
    assert head == f"#    uv pip compile {options} requirements.in"


def test_make_makes_every_lock() -> None:
    (folders,) = re.findall(r"^LOCKS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(folders.split()) == sorted(str(Path(lock).parent) for lock in LOCKS)


def test_one_package_is_updated_everywhere_at_once_and_an_update_has_rested() -> None:
    (together,) = (rule for rule in CONFIG["packageRules"] if rule.get("matchManagers") == ["pip-compile"])
    assert together["groupName"]
    assert CONFIG["minimumReleaseAge"] == "7 days"
