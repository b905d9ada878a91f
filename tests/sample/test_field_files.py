"""Small files of the kinds that people lost values, rows or the whole file by."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_app.sample.csvreport.errors import UnreadableFile
from tests.sample.inputs import lines, process


def test_semicolons_with_decimal_commas_in_both_columns(tmp_path: Path) -> None:
    made = process(tmp_path, lines("x;y", [f"{n},{n};{2 * n},{3 * n % 10}" for n in range(1, 40)]))
    assert made.summary["format"]["delimiter"] == ";"
    assert made.rows[:2] == [["x", "y"], ["1,1", "2,3"]]
    column = made.column("x")
    assert (column["type"], column["decimal"], column["min"], column["max"]) == ("number", ",", 1.1, 39.39)


def test_semicolons_around_texts_with_more_commas(tmp_path: Path) -> None:
    made = process(tmp_path, lines("id;text", [f'{n};"hello, world, {n}"' for n in range(30)]))
    assert made.rows[:2] == [["id", "text"], ["0", "hello, world, 0"]]


@pytest.mark.parametrize(
    "values",
    [
        ["$5", "€5", "£5", "5", "5.0", "05", " 5", "5 "],
        [f"2024-01-01T00:00:00.12345678{n}Z" for n in range(6)],
        ["2026-01-02", "2026/01/02", "02.01.2026"],
        ["no", "NO", "No", "false"],
        ["a", "A", "\u00e4", "a\u0308", ""],
    ],
)
def test_rows_that_differ_in_a_character_stay(tmp_path: Path, values: list[str]) -> None:
    made = process(tmp_path, lines("k,v", [f"k,{each}" for each in [*values, values[0]]]))
    assert made.rows == [["k", "v"], *(["k", each] for each in values)]
    assert made.summary["rows"]["duplicates_dropped"] == 1


def test_a_quote_that_is_not_closed_stops_the_file(tmp_path: Path) -> None:
    rows = [f"{n},Title {n},{1990 + n}" for n in range(1, 101)]
    rows[4] = '5,"Title 5,1995'
    with pytest.raises(UnreadableFile, match=r"opens on line 6 is not closed.*Close it there"):
        process(tmp_path, lines("id,title,year", rows))


def test_a_country_an_address_a_telephone_number_and_a_name_stay_what_they_are(tmp_path: Path) -> None:
    rows = [f"h{n},NO,192.168.178.{n},+4930123456{n:02},Ann {n}" for n in range(10, 70)]
    rows.append("h3,NO,192.168.178.3,+493012345603,None")
    made = process(tmp_path, lines("host,country,ip,phone,name", rows))
    assert made.rows[1:] == [row.split(",") for row in rows]
    assert [each["type"] for each in made.summary["columns"]] == ["text"] * 5
    assert made.column("name")["missing"] == 0


def test_one_bad_byte_leaves_the_others_what_they_are(tmp_path: Path) -> None:
    good = "".join(f"{n},Müller Łódź {n}\n" for n in range(1, 200))
    made = process(tmp_path, b"id,name\n" + good.encode() + b"200,M\xfcller\n")
    assert made.rows[1] == ["1", "Müller Łódź 1"]
    assert made.rows[-1] == ["200", "M\ufffdller"]
    assert made.summary["format"]["encoding"] == "UTF-8"
    assert made.summary["format"]["wrong_lines"] == [201]
    assert "1 byte is not UTF-8 and stands as \ufffd, on line 201." in made.summary["left_out"]


def test_shift_jis_is_recognised(tmp_path: Path) -> None:
    text = lines("番号,氏名,住所", [f"{n},山田太郎{n},東京都千代田区{n}" for n in range(30)])
    made = process(tmp_path, text.encode("cp932"))
    assert made.summary["format"]["encoding"] == "Shift-JIS"
    assert made.rows[:2] == [["番号", "氏名", "住所"], ["0", "山田太郎0", "東京都千代田区0"]]


@pytest.mark.parametrize("never", ["9999-12-31 23:59:59.9999999", "9999-12-31", "0001-01-01 00:00:00"])
def test_a_date_that_means_never_is_left_out_and_told(tmp_path: Path, never: str) -> None:
    rows = [f"{n},2024-01-{n:02},{never if n % 2 else f'2025-01-{n:02}'}" for n in range(1, 29)]
    made = process(tmp_path, lines("id,valid_from,valid_to", rows))
    assert made.rows[1][2] == never
    column = made.column("valid_to")
    assert (column["type"], column["first"], column["last"]) == ("date", "2025-01-02", "2025-01-28")
    assert column["out_of_range"] == 14
    assert made.summary["left_out"] == ["valid_to: 14 dates before 1000 or after 2499: not in the statistics."]


def test_a_negative_amount_of_accountants_is_negative(tmp_path: Path) -> None:
    rows = [f"{n},{n}.00" for n in range(1, 99)] + ["99,(5000.00)", '100,"(1,250.50)"']
    made = process(tmp_path, lines("id,amount", rows))
    column = made.column("amount")
    assert (column["min"], column["max"], column["unrecognised"]) == (-5000, 98, 0)
    assert made.rows[-1] == ["100", "(1,250.50)"]


def test_long_whole_numbers_are_exact(tmp_path: Path) -> None:
    rows = [f"{4006381333931 + 7 * n},{1700000000123 + 1001 * n}" for n in range(30)]
    made = process(tmp_path, lines("ean,epoch_ms", rows))
    assert made.column("ean")["min"] == 4006381333931
    assert made.column("ean")["max"] == 4006381333931 + 7 * 29
    assert any("4,006,381,333,931" in each for each in made.chart_texts())
