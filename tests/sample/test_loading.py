"""Nothing of a file is skipped, trimmed or repaired without a word, however the database's reader takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_app.sample.csvreport.errors import UnreadableFile
from tests.sample.inputs import process

ROWS = "".join(f"{n},x\n" for n in range(20))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('98, "2"\n', [["98", ' "2"']]),
        ('98, "2" \n', [["98", ' "2" ']]),
        ('5,it is 5" wide\n', [["5", 'it is 5" wide']]),
        ("5,6\r\n7,8\r9,10\n", [["5", "6"], ["7", "8"], ["9", "10"]]),
        ("\n\n5,6\n", [["5", "6"]]),
        ("  \n5,6\n", [["5", "6"]]),
        ('"",""\n', [["", ""]]),
        (",\n", [["", ""]]),
        ("5,6", [["5", "6"]]),
        ("5,6\n\x1a", [["5", "6"]]),
        ("#5,6\n", [["#5", "6"]]),
        ("5,  6  \n", [["5", "  6  "]]),
        ('5,"x\ry"\n', [["5", "x\ry"]]),
        ('5,"x ""y"" z"\n', [["5", 'x "y" z']]),
    ],
)
def test_rows_are_what_they_are(tmp_path: Path, text: str, rows: list[list[str]]) -> None:
    made = process(tmp_path, f"a,b\n{ROWS}{text}")
    assert made.rows[21:] == rows
    assert made.rows[1:21] == [[str(n), "x"] for n in range(20)]
    assert made.summary["rows"]["read"] == 20 + len(rows)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'n\n"a\rb"\nc\n', [["a\rb"], ["c"]]),
        (b'n\n"\r\n\r\r"\nc\n', [["\r\n\r\r"], ["c"]]),
        (b'a,b\r\n1,"x\r\ny\r\nw\r\nv"\r\n2,z\r\n', [["1", "x\r\ny\r\nw\r\nv"], ["2", "z"]]),
        (b'a,b\r\n1,"x\r\ny"\r\n2\r\n', [["1", "x\r\ny"], ["2", ""]]),
        (b'a,b\n1,"x\ry"\n2,3,4\n5,6\n7,8\n', [["1", "x\ry", ""], ["2", "3", "4"], ["5", "6", ""], ["7", "8", ""]]),
        (b'id,n\r\n1,"a \\"b\\"\r\nc"\r\n2,"x"\r\n', [["1", 'a "b"\r\nc'], ["2", "x"]]),
    ],
)
def test_the_first_line_end_may_stand_within_a_cell(tmp_path: Path, content: bytes, rows: list[list[str]]) -> None:
    assert process(tmp_path, content).rows[1:] == rows


def test_empty_cells_behind_the_last_column_are_told(tmp_path: Path) -> None:
    made = process(tmp_path, f"a,b\n{ROWS}98,2,\n")
    assert made.rows[-1] == ["98", "2"]
    assert made.summary["left_out"] == ["1 row with empty cells behind the last column: these are left off."]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{ROWS}98,2\n"99,4\n', 23),
        (f'1,"x\n{ROWS}', 2),
        (f'{ROWS}98,"2" \n', 22),
        (f'{ROWS}"x"y,2\n', 22),
        (f'{ROWS}1,"2\n\n\n3,"4"\n', 22),
    ],
)
def test_a_quote_that_is_not_closed_rightly_is_named(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(UnreadableFile, match=f"A quote that opens on line {line} is not closed rightly"):
        process(tmp_path, f"a,b\n{text}")


@pytest.mark.parametrize("text", ["a,b\n", "a,b", "a\n", "a;b\r\n\r\n"])
def test_a_header_alone_is_a_table_without_rows(tmp_path: Path, text: str) -> None:
    made = process(tmp_path, text)
    assert made.summary["rows"]["read"] == 0
    assert len(made.rows) == 1
    assert [(each["count"], each["missing"]) for each in made.summary["columns"]] == [(0, 0)] * len(made.rows[0])
    assert "no values" in made.chart_texts()


def test_a_cell_of_megabytes_is_a_cell(tmp_path: Path) -> None:
    made = process(tmp_path, f"a,b\n{ROWS}5,{'x' * 3_000_000}\n".encode())
    assert made.summary["rows"]["read"] == 21
    assert (tmp_path / "out" / "cleaned.csv").stat().st_size > 3_000_000


def test_the_name_of_a_file_is_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "e[1] *?"
    folder.mkdir()
    assert process(folder, "a,b\n1,2\n").rows == [["a", "b"], ["1", "2"]]
