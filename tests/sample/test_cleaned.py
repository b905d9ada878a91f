"""cleaned.csv has the values of the input, and of equal rows the first."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sample.inputs import lines, process

# What readers trip over, more often than it would come by itself.
PIECES = st.sampled_from(
    [
        *(
            "\r",
            "\n",
            "\r\n",
            '"',
            '""',
            ",",
            ";",
            "\t",
            "|",
            " ",
            "'",
            "\\",
            "\\N",
            "NULL",
            "NA",
            "=1+1",
            "#",
            "-",
            "€5",
        ),
        *(
            "1,5",
            "0012",
            "1e5",
            "NO",
            "ä",
            "a\u0308",
            "\ufeff",
            "\u2028",
            "\x85",
            "\x0b",
            "\x1c",
            "日本",
            "🙂",
            "\ufffd",
            "nan",
        ),
    ]
)
LETTERS = st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cc", "Cs"))
CELLS = st.lists(st.one_of(PIECES, LETTERS), max_size=4).map("".join)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Return rows of one width, some of which are there more than once."""
    width = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6))
    return draw(st.lists(st.sampled_from(rows), min_size=1, max_size=10))


def _written(cell: str, all_quoted: bool) -> str:
    """Return a cell as it is written; Python's own writer leaves a lone carriage return without quotes until 3.12."""
    return '"' + cell.replace('"', '""') + '"' if all_quoted or set(cell) & set(',"\r\n') else cell


@given(tables(), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_values_stay_and_of_equal_rows_the_first(table: list[list[str]], end: str, all_quoted: bool) -> None:
    header = [f"name {number}" for number in range(len(table[0]))]
    # Rows of plain words say what the table is: how a file is read is decided by its first rows.
    plain = [[f"row {n} cell {number}" for number in range(len(header))] for n in range(12)]
    text = "".join(",".join(_written(cell, all_quoted) for cell in row) + end for row in [header, *plain, *table])
    with tempfile.TemporaryDirectory() as folder:
        made = process(Path(folder), text)
    expected = [list(each) for each in dict.fromkeys(map(tuple, [*plain, *table]))]
    assert made.rows == [header, *expected]
    assert made.summary["rows"]["duplicates_dropped"] == len(plain) + len(table) - len(expected)


@pytest.mark.parametrize("cell", ["a\rb", "\r", "a\r", "\ra", "a\n\rb", "\r\r", "a\r\nb", "\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_within_a_cell_stay(tmp_path: Path, cell: str, end: str) -> None:
    made = process(tmp_path, f'a,b{end}1,x{end}2,"{cell}"{end}3,y{end}'.encode())
    assert made.rows == [["a", "b"], ["1", "x"], ["2", cell], ["3", "y"]]


def test_of_equal_rows_the_first_stays_in_its_place(tmp_path: Path) -> None:
    made = process(tmp_path, lines("a,b", ["3,x", "1,x", "2,x", "1,x", "3,x", "0,x", "1,x"]))
    assert [row[0] for row in made.rows[1:]] == ["3", "1", "2", "0"]
    assert made.summary["rows"] | {"read": 7, "kept": 4, "duplicates_dropped": 3} == made.summary["rows"]


def test_the_rows_of_a_file_that_is_read_in_several_places_at_once_keep_their_order(tmp_path: Path) -> None:
    # Some parts of 8 MB, in each of which a thread of the database begins.
    content = "n,text\n" + "".join(f"{number * 7919 % 500_009},{'x' * (number % 97)}\n" for number in range(500_000))
    assert len(content) > 3 * 8_000_000
    made = process(tmp_path, content)
    assert (made.folder / "cleaned.csv").read_bytes() == content.encode()


def test_rows_whose_bytes_could_not_be_read_are_not_taken_for_equal(tmp_path: Path) -> None:
    good = "".join(f"{n},Łódź\n" for n in range(30)).encode()
    made = process(tmp_path, b"id,name\n" + good + b"x,M\xfcller\nx,M\xe4ller\n")
    assert made.rows[-2:] == [["x", "M\ufffdller"]] * 2
    assert made.summary["rows"]["duplicates_dropped"] == 0


def test_an_empty_cell_in_a_single_column_is_a_row(tmp_path: Path) -> None:
    made = process(tmp_path, 'name\nAnn\n""\nBob\n')
    assert made.rows == [["name"], ["Ann"], [""], ["Bob"]]


def test_short_and_long_rows_lose_nothing(tmp_path: Path) -> None:
    rows = [f"{n},x,y" for n in range(20)]
    made = process(tmp_path, lines("a,b,c", [*rows, "20,x", "21,x,y,more"]))
    assert made.rows[-2:] == [["20", "x", "", ""], ["21", "x", "y", "more"]]
    assert made.rows[0] == ["a", "b", "c", "column_4"]
    counted = made.summary["rows"]
    assert (counted["short_lines"], counted["long_lines"]) == ([22], [23])


def test_what_stands_before_the_table_is_told_and_not_lost_silently(tmp_path: Path) -> None:
    made = process(tmp_path, "Report of May\nMade by X\n\nid,name,amount\n1,A,2\n2,B,3\n")
    assert made.rows == [["id", "name", "amount"], ["1", "A", "2"], ["2", "B", "3"]]
    told = " ".join(made.summary["decided"])
    assert "Report of May" in told
    assert "The header is on line 4." in told


def test_a_wide_table_is_summarised_in_full(tmp_path: Path) -> None:
    width = 1_200
    header = ",".join(f"c{n}" for n in range(width))
    made = process(tmp_path, lines(header, [",".join(f"{row + n}" for n in range(width)) for row in (0, 1, 0)]))
    assert made.summary["rows"]["duplicates_dropped"] == 1
    assert [each["max"] for each in made.summary["columns"]] == [n + 1 for n in range(width)]
    assert len(made.rows[1]) == width


def test_a_table_of_more_than_a_thousand_columns_with_bad_bytes(tmp_path: Path) -> None:
    width = 1_100
    row = ",".join(["é"] * width).encode()
    made = process(tmp_path, b",".join(b"n%d" % n for n in range(width)) + b"\n" + row + b"\n" + row + b"\xff\n")
    assert made.rows[2][-1] == "é\ufffd"
