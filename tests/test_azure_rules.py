"""The list of Azure's rules names sources, players and tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
LIST = PROJECT / "docs" / "azure-rules.md"

ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in LIST.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| Rule"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_rule_has_its_source_its_player_and_its_tests(row: list[str]) -> None:
    assert len(row) == 4
    _, source, played, tests = row
    # A source is an address, a package's own file, or a measurement that says what was seen.
    assert re.search(r"https://|`[\w./-]+`|[Ss]een:", source), source
    files = re.findall(r"`((?:infra|function|pipeline_app|tests)/[\w./-]+)`", played)
    assert [name for name in files if not (PROJECT / name).exists()] == []
    assert played in ("nothing needs to play it", "the test alone") or files, played
    named = re.findall(r"`(tests/[\w./-]+\.py)::(\w+)`", tests)
    assert named, tests
    for file, name in named:
        text = (PROJECT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), f"{file} has no {name}"
