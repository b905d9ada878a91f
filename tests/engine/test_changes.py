"""What a change of each setting does to a stack, held against the table in the documentation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.engine.deployment import ROOT, Deployment, NewSite, Run
from tests.engine.settings import CHANGES, changed, deployed, holders, other_topic, settings

TABLE: Final = ROOT / "docs" / "changes.md"
# Set, the table is written instead of compared.
WRITE: Final = "PIPELINE_WRITE_CHANGES"

Table = dict[str, list[str]]


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    """A deployed development stack."""
    return deployed(new_site, "changes")


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """The documentation's rows by setting; a test may write its own, which are kept where that is asked for."""
    text = TABLE.read_text(encoding="utf-8")
    head, _, _ = text.partition("\n| `")
    rows = {line.split("`")[1]: _cells(line)[2:] for line in text.splitlines() if line.startswith("| `")}
    if os.environ.get(WRITE):
        rows = {}
    yield rows
    if os.environ.get(WRITE):
        lines = [f"| `{key}` | {_shown(CHANGES[key])} | {' | '.join(row)} |" for key, row in sorted(rows.items())]
        TABLE.write_text(head.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


def cells(run: Run, holding: set[str]) -> list[str]:
    """Return the row of a preview, without its setting and value."""
    by_operation: dict[str, list[str]] = {}
    for name, operation in sorted(run.changes.items()):
        by_operation.setdefault(operation, []).append(f"`{name}`")
    lost = {name for name, operation in run.changes.items() if operation in ("delete", "replace")}
    assert by_operation.keys() <= {"create", "delete", "replace", "update"}
    return [
        "refused" if lost & holding else "",
        *(", ".join(by_operation.get(operation, [])) for operation in ("replace", "delete", "create", "update")),
    ]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _shown(value: str) -> str:
    return f"`{value}`" if value else "empty"


@pytest.mark.parametrize("key", CHANGES)
def test_a_change_of_a_setting_does_what_the_table_says(deployment: Deployment, key: str, table: Table) -> None:
    with other_topic(deployment), changed(deployment, **settings(key)):
        run = deployment.try_preview()
    assert run.error is None, run.error
    found = cells(run, set(holders(deployment)))
    if os.environ.get(WRITE):
        table[key] = found

    assert table.get(key) == found, f"The table is made anew by {WRITE}=1 pytest {Path(__file__).name}."


def test_the_table_has_every_setting_and_no_other(table: Table) -> None:
    assert set(table) == set(CHANGES)
