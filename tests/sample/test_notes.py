"""What was decided and what was left out stands in summary.json, in the report and on the chart."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from pipeline_app.sample.csvreport.cli import main
from tests.sample.inputs import Results, lines, process

ROWS = [f"{n},{n}.5,2026-01-{n % 28 + 1:02}" for n in range(1, 60)]
DUPLICATE = [*ROWS, ROWS[0]]


def _stands_everywhere(made: Results, sentence: str, list_name: str) -> None:
    assert sentence in made.summary[list_name]
    assert f"<li>{html.escape(sentence)}</li>" in made.page()
    # A note may go over more than one line of the chart.
    assert sentence in " ".join(made.chart_texts())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lines("id,x,t", DUPLICATE), "1 row is equal to an earlier one to the last character: dropped."),
        (lines("id,x,t", [*ROWS, "60,oops,2026-01-01"]), "x: 1 cell that cannot be read as numbers, such as “oops”"),
        (lines("id,x,t", [*ROWS, "60,1,soon"]), "t: 1 cell that cannot be read as dates, such as “soon”"),
        (lines("id,x,t", [*ROWS, "60,1,9999-12-31"]), "t: 1 date before 1000 or after 2499: not in the statistics."),
        (lines("id,x,t", [*ROWS, "60,1"]), "1 row with fewer cells than the table has columns, on line 61"),
        (lines("id,x,t", [*ROWS, "60,1,2026-01-01,z"]), "1 row with more cells than the header, on line 61"),
        (lines("id,x,t", ["1,2,2026-01-01", "", *ROWS]), "1 line with nothing on it."),
        (lines("id,x,ä", ROWS * 9).encode() + "ä,é,ö\n".encode() + b"60,1,\xff\n", "1 byte is not UTF-8 and stands"),
    ],
)
def test_what_was_left_out_stands_everywhere(
    tmp_path: Path, content: str | bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = process(tmp_path, content)
    (full,) = [each for each in made.summary["left_out"] if each.startswith(sentence)]
    _stands_everywhere(made, full, "left_out")
    assert main([str(tmp_path / "input.csv"), str(tmp_path / "out")]) == 0
    assert f"input.csv: {full}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lines("a;b", ["1,5;x", "2,5;y"]), "Cells are separated by semicolons."),
        (lines("a;b", ["1,5;x", "2,5;y"]), "The decimal sign is a comma: a."),
        ("sep=;\na;b\n1;x\n2;y\n", "Cells are separated by semicolons, as its first line says."),
        (lines("1,Ann,2020-01-01", ["2,Bob,2020-01-02", "3,Eve,2020-01-03"]), "There is no header, since"),
        ("a,b\n1,\\N\n2,3\n4,5\n", "“\\N” counts as missing: b."),
        (lines("id,x,x", ["1,2,3", "4,5,6"]), "1 header empty or there twice: now x_2."),
        ('a,b\n0,x\n1,"y\nz"\n', "1 row has cells of several lines, first on line 3."),
        ('\na,b\n\n0,x\n1,"y\nz"\n2,"u\r\nv"\n', "2 rows have cells of several lines, first on line 5."),
        ('Title\n\na,"b\nc"\n1,"y\nz"\n', "2 rows have cells of several lines, first on line 3."),
        ('a\nx\n"y\nz"\n', "1 row has cells of several lines, first on line 3."),
        (lines("id,t", ["1,25/12/2026", "2,01/02/2026"]), "Dates have the day first: t."),
        (
            'a,b\n1,"he said \\"hi\\" to you"\n2,"x"\n',
            "A quote inside of a quoted cell is written as backslash and quote.",
        ),
    ],
)
def test_what_was_decided_stands_everywhere(tmp_path: Path, content: str, sentence: str) -> None:
    made = process(tmp_path, content)
    (full,) = [each for each in made.summary["decided"] if each.startswith(sentence)]
    _stands_everywhere(made, full, "decided")


def test_what_a_column_leaves_out_stands_on_its_card_and_in_its_row(tmp_path: Path) -> None:
    made = process(tmp_path, lines("id,x,t", [*ROWS, "60,oops,9999-12-31", "61,what,2026-01-01"]))
    texts = made.chart_texts()
    assert "left out: 2 cells not numbers" in texts
    assert "left out: 1 date out of range" in texts
    assert len(re.findall("<span class='left-out'>left out: ", made.page())) == 2
    assert (made.column("x")["count"], made.column("x")["unrecognised"]) == (61, 2)
    assert made.column("x")["unrecognised_examples"] == ["oops", "what"]


def test_too_many_notes_for_the_chart_are_counted_and_are_all_in_the_report(tmp_path: Path) -> None:
    header = ",".join(f"measure number {n}" for n in range(20))
    rows = [",".join("oops" if row == n else f"{row}.5" for n in range(20)) for row in range(60)]
    made = process(tmp_path, lines(header, rows))
    assert len(made.summary["left_out"]) == 20
    page, texts = made.page(), " ".join(made.chart_texts())
    assert all(html.escape(each) in page for each in made.summary["left_out"])
    shown = sum(each in texts for each in made.summary["left_out"])
    assert 0 < shown < 20
    assert f"{20 - shown} more notes in summary.json and report.html." in texts


def test_estimates_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_app.sample.csvreport.figures.MOST_DISTINCT", 20)
    monkeypatch.setattr("pipeline_app.sample.csvreport.figures.MOST_ORDERED", 20)
    made = process(tmp_path, lines("k,v", [f"k{n % 50},{n}.25" for n in range(200)]))
    assert not made.column("k")["distinct_exact"]
    assert not made.column("v")["quantiles_exact"]
    texts = " ".join(made.chart_texts())
    for place in (texts, made.page()):
        assert re.search(r"median ≈ \d", place)
        assert re.search(r"≈ \d+", place)
    assert {each["count"] for each in made.column("k")["top"]} == {4}


def test_estimates_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_app.sample.csvreport.figures.MOST_DISTINCT", 20)
    monkeypatch.setattr("pipeline_app.sample.csvreport.figures.MOST_ORDERED", 20)
    # More rows than the database looks at in one piece, so that several threads share them.
    content = lines("k,v", [f"k{n * n % 600_011},{n * n % 300_007}.25" for n in range(600_000)])
    columns = [process(tmp_path, content).summary["columns"] for _ in range(3)]
    assert columns[0][0]["top_exact"] is False
    assert columns[0][1]["quantiles_exact"] is False
    assert columns[0] == columns[1] == columns[2]


def test_what_a_file_says_is_text_in_the_chart_and_the_report(tmp_path: Path) -> None:
    made = process(tmp_path, lines('"<script>alert(1)</script>&",b', ["<b>x</b>,1", "<b>x</b>,2"]))
    assert "<script>alert" not in made.page()
    assert "<script>alert(1)</script>&" in made.chart_texts()
