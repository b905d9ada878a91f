"""A CSV file becomes a cleaned copy, a summary and a chart that say what is in it."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_app.sample.csvreport import reading, report
from pipeline_app.sample.csvreport.reading import UnreadableFile
from pipeline_app.sample.csvreport.report import make_report

SVG = "{http://www.w3.org/2000/svg}"


def made(tmp_path: Path, content: str | bytes, top: int = 10) -> tuple[dict[str, Any], list[list[str]]]:
    """Return the summary and the rows of the cleaned file of an input."""
    source = tmp_path / "input.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    summary = make_report(source, tmp_path / "out", top, "1.2.3")
    with (tmp_path / "out" / "cleaned.csv").open(encoding="utf-8", newline="") as file:
        return summary, list(csv.reader(file))


def column(summary: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in summary["columns"] if each["name"] == name)


def test_rows_are_trimmed_and_empty_ones_and_duplicates_dropped(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, " Name ,City\n Ann , Rome\n,\n\nBob,Oslo\nAnn,Rome\n  ,  \n")
    assert rows == [["name", "city"], ["Ann", "Rome"], ["Bob", "Oslo"]]
    assert summary["rows"] == {
        "read": 6,
        "kept": 2,
        "duplicates_dropped": 1,
        "duplicates_exact": True,
        "empty_dropped": 3,
        "ragged": 0,
    }


def test_rows_that_differ_only_in_notation_are_duplicates(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "when,price\n2026-01-02,$5\n2026/1/2,5\n")
    assert rows == [["when", "price"], ["2026-01-02", "5"]]
    assert summary["rows"]["duplicates_dropped"] == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(tmp_path: Path, delimiter: str) -> None:
    text = f'a{delimiter}b{delimiter}c\n1{delimiter}"x, y; z | w"{delimiter}3\n4{delimiter}"p"{delimiter}6\n'
    summary, rows = made(tmp_path, text)
    assert summary["format"]["delimiter"] == delimiter
    assert rows[1] == ["1", "x, y; z | w", "3"]


def test_the_hint_of_a_spreadsheet_is_followed_and_is_no_header(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "sep=;\r\nname;note\r\nAnn;a,b\r\n")
    assert summary["format"]["delimiter"] == ";"
    assert rows == [["name", "note"], ["Ann", "a,b"]]


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("latin-1", "latin-1"), ("utf-16", "utf-16")],
)
def test_encodings_are_recognised(tmp_path: Path, codec: str, encoding: str) -> None:
    summary, rows = made(tmp_path, "naïve,größe\nCafé,Straße\n".encode(codec))
    assert summary["format"]["encoding"] == encoding
    assert rows == [["naïve", "größe"], ["Café", "Straße"]]


def test_the_signs_of_windows_are_not_taken_for_control_characters(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "name;price\nCafé;€\n".encode("cp1252"))
    assert summary["format"]["encoding"] == "cp1252"
    assert rows[1] == ["Café", "€"]


def test_a_character_split_between_two_reads_is_still_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_BYTES", 16)
    summary, _ = made(tmp_path, "name,note\n" + "aé€😀,x\n" * 40)
    assert summary["format"]["encoding"] == "utf-8"


def test_numbers_are_summarised(tmp_path: Path) -> None:
    summary, _ = made(tmp_path, "id,v\n" + "".join(f"{n},{n * 10}\n" for n in range(1, 10)) + "10,\n11,n/a\n")
    values = column(summary, "v")
    assert values["type"] == "number"
    assert (values["count"], values["missing"], values["distinct"], values["unrecognised"]) == (9, 2, 9, 0)
    assert (values["min"], values["max"], values["mean"], values["median"]) == (10, 90, 50, 50)
    assert values["stdev"] == pytest.approx(27.386127875)
    assert values["quantiles"] == {"p05": 14, "p25": 30, "p75": 70, "p95": 86}
    assert sum(values["histogram"]["counts"]) == 9


def test_whole_numbers_close_together_get_a_bin_each(tmp_path: Path) -> None:
    summary, _ = made(tmp_path, "id,stars\na,1\nb,3\nc,3\nd,4\n")
    assert column(summary, "stars")["histogram"] == {"edges": [0.5, 1.5, 2.5, 3.5, 4.5], "counts": [1, 0, 2, 1]}


def test_decimal_commas_units_and_groups_are_read_by_the_column(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "item;price;share\na;1.234,50 €;5 %\nb;12,00 €;12,5 %\nc;1.000 €;1 %\n")
    assert [row[1:] for row in rows[1:]] == [["1234.50", "5"], ["12.00", "12.5"], ["1000", "1"]]
    assert (column(summary, "price")["unit"], column(summary, "share")["unit"]) == ("€", "%")
    assert column(summary, "price")["max"] == 1234.5


@pytest.mark.parametrize(("text", "value"), [("n;v\na;1,234\n", "1.234"), ('n,v\na,"1,234"\n', "1234")])
def test_a_comma_in_a_number_is_read_by_the_custom_of_the_files_delimiter(
    tmp_path: Path, text: str, value: str
) -> None:
    _, rows = made(tmp_path, text)
    assert rows[1] == ["a", value]


def test_texts_are_summarised_by_frequency(tmp_path: Path) -> None:
    summary, _ = made(tmp_path, "n,town\n1,Rome\n2,Oslo\n3,Rome\n4,Bern\n", top=2)
    town = column(summary, "town")
    assert town["type"] == "text"
    assert town["top"] == [{"value": "Rome", "count": 2}, {"value": "Bern", "count": 1}]


def test_codes_with_leading_zeros_stay_texts(tmp_path: Path) -> None:
    _, rows = made(tmp_path, "zip,n\n00501,1\n02108,2\n")
    assert [row[0] for row in rows[1:]] == ["00501", "02108"]


def test_dates_are_summarised_by_their_range(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "day,n\n01/02/2026,1\n28/02/2026,2\n15/02/2026,3\n")
    day = column(summary, "day")
    assert (day["type"], day["first"], day["last"], day["days"]) == ("date", "2026-02-01", "2026-02-28", 27)
    assert [row[0] for row in rows[1:]] == ["2026-02-01", "2026-02-28", "2026-02-15"]


def test_a_month_that_is_no_month_tells_that_months_come_first(tmp_path: Path) -> None:
    _, rows = made(tmp_path, "day,n\n01/02/2026,1\n02/28/2026,2\n")
    assert [row[0] for row in rows[1:]] == ["2026-01-02", "2026-02-28"]


def test_yes_and_no_become_true_and_false(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "id,paid\n1,Yes\n2,no\n3,YES\n")
    assert column(summary, "paid")["type"] == "boolean"
    assert [row[1] for row in rows[1:]] == ["true", "false", "true"]


def test_a_few_odd_cells_do_not_make_numbers_a_text_and_are_kept_and_counted(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "id,v\n" + "".join(f"a{n},{n}\n" for n in range(99)) + "z,broken\n")
    assert (column(summary, "v")["type"], column(summary, "v")["unrecognised"]) == ("number", 1)
    assert rows[-1] == ["z", "broken"]


def test_cells_beyond_the_header_are_kept_in_columns_of_their_own(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "a,b\nx\ny,2,extra\n")
    assert rows == [["a", "b", "column_3"], ["x", "", ""], ["y", "2", "extra"]]
    assert summary["rows"]["ragged"] == 2


def test_line_breaks_and_quotes_inside_cells_survive(tmp_path: Path) -> None:
    _, rows = made(tmp_path, 'a,b\n"two\nlines","say ""hi"""\n')
    assert rows[1] == ["two\nlines", 'say "hi"']


def test_a_header_alone_is_a_file_without_rows(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, "a,b\n")
    assert rows == [["a", "b"]]
    assert summary["rows"]["kept"] == 0
    assert "no values" in (tmp_path / "out" / "chart.svg").read_text(encoding="utf-8")


def test_beyond_the_bound_duplicates_are_said_to_be_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_FINGERPRINTS", 2)
    summary, _ = made(tmp_path, "a,b\nx,1\ny,2\nz,3\nx,1\nz,3\n")
    assert (summary["rows"]["duplicates_dropped"], summary["rows"]["duplicates_exact"]) == (1, False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "It is empty"),
        (b" \n\t\n  ", "It is empty"),
        (b",,\n,,\n", "It is empty"),
        (b"1,2\n3,4\n", "no header"),
        (b"2026-01-01,5\n", "no header"),
        (b"a,b\n1,\x002\n", "bytes of value zero"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"%PDF-1.7", "PDF"),
        (b"a,b\n" + b"x" * 300 + b"\n", "more than 200 characters"),
        (b'a,b\n"' + b"x,y\n" * 100, "is a quote not closed"),
        (b"a" + b",b" * 40, "more than 30 columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    monkeypatch.setattr(reading, "MAX_COLUMNS", 30)
    monkeypatch.setattr(reading, "MAX_LINE", 200)
    monkeypatch.setattr(reading, "SAMPLE_CHARACTERS", 150)
    with pytest.raises(UnreadableFile, match=reason):
        made(tmp_path, content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.text().map(lambda text: f"name,note\nx,{text}\n".encode())
    | st.text(alphabet='ab1.,;|\t"\r\n \u2028=sep').map(str.encode)
)
def test_no_content_gives_anything_but_results_or_a_reason(tmp_path: Path, content: bytes) -> None:
    try:
        summary, rows = made(tmp_path, content)
    except UnreadableFile:
        return
    assert len(rows) == summary["rows"]["kept"] + 1
    assert {len(row) for row in rows} == {len(summary["columns"])}
    ElementTree.parse(tmp_path / "out" / "chart.svg")  # noqa: S314


def test_the_summary_on_disk_is_what_is_returned(tmp_path: Path) -> None:
    summary, _ = made(tmp_path, "a,b\nx,1\n")
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8")) == summary
    assert summary["generator"] == {"name": "csvreport", "version": "1.2.3"}


def test_the_chart_is_well_formed_and_shows_each_column_whatever_it_is_called(tmp_path: Path) -> None:
    made(tmp_path, 'Item <b> & "Co",price\nA & B </text>,5\nA & B </text>,7\n')
    root = ElementTree.parse(tmp_path / "out" / "chart.svg").getroot()  # noqa: S314
    texts = ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]
    assert "item_b_co" in texts
    assert "median 6 · mean 6 · sd 1.414" in texts
    assert any(text.startswith("A & B </text>") for text in texts)
    assert len(list(root.iter(f"{SVG}g"))) == 2


def test_a_chart_of_many_columns_draws_thirty_and_names_the_rest(tmp_path: Path) -> None:
    made(tmp_path, ",".join(f"c{n}" for n in range(33)) + "\n" + ",".join(["1"] * 33) + "\n")
    svg = (tmp_path / "out" / "chart.svg").read_text(encoding="utf-8")
    assert svg.count("<g ") == 30
    assert "3 more columns are in summary.json." in svg
