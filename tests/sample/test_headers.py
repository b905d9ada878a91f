"""Names of columns are unique and not empty, and else as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.sample.csvreport.headers import unique_names
from tests.sample.inputs import lines, process


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ("a,a,a", ["a", "a_2", "a_3"]),
        (",x,", ["column_1", "x", "column_3"]),
        ("a,a_2,a", ["a", "a_2", "a_3"]),
        ("a,A,a ", ["a", "A", "a "]),
        ('" ",column_1,b', ["column_1_2", "column_1", "b"]),
    ],
)
def test_names_are_unique_and_not_empty(tmp_path: Path, headers: str, names: list[str]) -> None:
    made = process(tmp_path, lines(headers, ["1,x,2026-01-01", "2,y,2026-01-02"]))
    assert made.rows[0] == names
    assert [each["name"] for each in made.summary["columns"]] == names
    assert made.rows[1] == ["1", "x", "2026-01-01"]


@given(
    st.lists(st.sampled_from(["", " ", "a", "A", "a_2", "a_3", "column_1", "column_2", "b"]), min_size=1, max_size=8)
)
def test_all_names_are_unique_and_not_empty(headers: list[str]) -> None:
    names = unique_names(headers)
    assert len(set(names)) == len(headers)
    assert all(name.strip() for name in names)
    kept = [header for header in headers if header.strip() and headers.count(header) == 1]
    assert [name for name, header in zip(names, headers, strict=True) if header in kept] == kept


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('id,"Amount\n(EUR)",x', ["id", "Amount\n(EUR)", "x"]),
        ('id,"Name, first\nand last",x', ["id", "Name, first\nand last", "x"]),
        ('id,"an ""a""",x', ["id", 'an "a"', "x"]),
        ('id,"an \\"a\\"",x', ["id", 'an "a"', "x"]),
    ],
)
def test_a_header_with_quotes_and_of_several_lines_is_kept(tmp_path: Path, header: str, names: list[str]) -> None:
    assert process(tmp_path, lines(header, ["1,2,3", "4,5,6"])).rows == [names, ["1", "2", "3"], ["4", "5", "6"]]


@pytest.mark.parametrize("before", ["", "A title\n\n"])
def test_a_header_of_any_length_is_kept(tmp_path: Path, before: str) -> None:
    names = [f"{n} {'long name ' * 1_000}{n}" for n in range(40)]
    made = process(tmp_path, before + lines(",".join(names), [",".join(str(n) for n in range(40))] * 2))
    assert made.rows == [names, [str(n) for n in range(40)]]
