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
        ('id,"Name\nfirst, last",x', ["id", "Name\nfirst, last", "x"]),
        ('"Amount\n(EUR)","Rate\n(%)",x', ["Amount\n(EUR)", "Rate\n(%)", "x"]),
        ('id,"an ""a""",x', ["id", 'an "a"', "x"]),
        ('id,"an \\"a\\"",x', ["id", 'an "a"', "x"]),
    ],
)
def test_a_header_with_quotes_and_of_several_lines_is_kept(tmp_path: Path, header: str, names: list[str]) -> None:
    assert process(tmp_path, lines(header, ["1,2,3", "4,5,6"])).rows == [names, ["1", "2", "3"], ["4", "5", "6"]]


@pytest.mark.parametrize(
    ("content", "before", "header"),
    [
        ("# made by X, 2024\nid,name\n1,a\n2,b\n", 1, "id,name"),
        ("# made by X, 2024\nname,city\nAnn,Berlin\nBob,Paris\n", 1, "name,city"),
        ("#station: X\n#units: m, s, kg\nid,name,v\n1,a,2\n", 2, "id,name,v"),
        ("% a, b\n\n// c\nid,v\n1,2\n", 2, "id,v"),
        ("# remark\nname\nAnn\nBob\n", 1, "name"),
        ("##x=<a,b>\n#CHROM\tPOS\tID\n1\t100\trs\n2\t200\trt\n", 1, "#CHROM\tPOS\tID"),
        ("Report,,\nDate,2024,\n,,\nid,name,v\n1,a,2\n", 2, "id,name,v"),
        ("Report,,\nid,name,v\n1,a,2\n", 1, "id,name,v"),
        ("Date:,2024,,\nid,name,v,w\n1,a,2,3\n", 1, "id,name,v,w"),
        ("Report\nid,name\n1,a\n2,b\n", 1, "id,name"),
        # These are headers and rows, however they begin.
        ("#id,name\n1,a\n2,b\n", 0, "#id,name"),
        ("#name,city\nAnn,Berlin\nBob,Paris\n", 0, "#name,city"),
        ("#ff0000,red\n#00ff00,green\nnone,black\n", 0, "#ff0000,red"),
        ("#tag\nx\ny\n", 0, "#tag"),
        ("%,v\n5,6\n7,8\n", 0, "%,v"),
        ("id,name,\n1,a,x\n2,b,y\n", 0, "id,name,column_3"),
        ("name,city,\nAnn,Berlin,x\nBob,Paris,y\n", 0, "name,city,column_3"),
        ("a,,\nb,,\nx,y,z\n", 0, "a,column_2,column_3"),
    ],
)
def test_the_header_is_found_below_remarks_and_titles(tmp_path: Path, content: str, before: int, header: str) -> None:
    made = process(tmp_path, content)
    assert made.rows[0] == header.replace("\t", ",").split(",")
    assert len(made.summary["format"]["preamble"]) == before
    # Whatever stands before the header, all below it are rows.
    told = [each for each in content.split("\n") if each.strip(",")]
    assert made.rows[1:] == [row.replace("\t", ",").split(",") for row in told[before + 1 :]]


@pytest.mark.parametrize(
    "rows",
    [
        ["Street 1, Berlin", "Street 2, Paris"],
        ["a|b", "c|d"],
        ["a|b|c", "d|e|f"],
        ["Hi, you, there", "Oh, my, goodness"],
        ["52.5,13.4", "48.1,11.6"],
        ["red;green", "blue;black"],
    ],
)
def test_a_first_line_of_one_cell_may_name_a_single_column(tmp_path: Path, rows: list[str]) -> None:
    made = process(tmp_path, lines("address", rows))
    assert made.rows == [["address"], *([row] for row in rows)]
    assert made.summary["decided"][1].startswith("It has a single column, as its first line has one cell: the ")


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("name,1,2,3", ["a,5,6,7", "b,8,9,1"]),
        ("country,2020", ["DE,5", "FR,6"]),
        ("country,2019,2020", ["DE,5,6"]),
        ("h,0,6,12,18,24", ["a,5.5,6,7,8,9"]),
        (",0,1", ["0,5.5,6.5", "1,7.5,8.5"]),
    ],
)
def test_numbers_may_name_columns(tmp_path: Path, header: str, rows: list[str]) -> None:
    made = process(tmp_path, lines(header, rows))
    assert made.summary["format"]["header_line"] == 1
    assert made.rows == [[each or "column_1" for each in header.split(",")], *(row.split(",") for row in rows)]


@pytest.mark.parametrize(
    "rows", [["DE,2020", "FR,2021"], ["a,5,6", "b,8,9"], ["5,,", "6,1,2", "7,2,3"], ["1,2", "3,4"]]
)
def test_numbers_as_those_below_name_no_columns(tmp_path: Path, rows: list[str]) -> None:
    made = process(tmp_path, lines(rows[0], rows[1:]))
    assert made.summary["format"]["header_line"] is None
    assert made.rows[1:] == [row.split(",") for row in rows]


@pytest.mark.parametrize("before", ["", "A title\n\n"])
def test_a_header_of_any_length_is_kept(tmp_path: Path, before: str) -> None:
    names = [f"{n} {'long name ' * 1_000}{n}" for n in range(40)]
    made = process(tmp_path, before + lines(",".join(names), [",".join(str(n) for n in range(40))] * 2))
    assert made.rows == [names, [str(n) for n in range(40)]]
