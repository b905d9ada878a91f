"""Cells are read as what they say, and only as that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_app.sample.csvreport.values import Reading, is_missing, normalised_headers, read, signature

COMMA = Reading("number", "comma")
POINT = Reading("number", "point")


@pytest.mark.parametrize(
    ("cell", "reading", "text", "number"),
    [
        ("$1,234.50", POINT, "1234.50", 1234.5),
        ("+7", POINT, "7", 7),
        ("-0.5", POINT, "-0.5", -0.5),
        (".5", POINT, "0.5", 0.5),
        ("1 234 567", POINT, "1234567", 1_234_567),
        ("1'000.25", POINT, "1000.25", 1000.25),
        ("1,234", COMMA, "1.234", 1.234),
        ("1,234", POINT, "1234", 1234),
        ("1.234,50 €", COMMA, "1234.50", 1234.5),
        ("12\u00a0345,6\u00a0€", COMMA, "12345.6", 12345.6),
        ("2,5 %", COMMA, "2.5", 2.5),
        ("6.02e23", POINT, "6.02e23", 6.02e23),
    ],
)
def test_numbers_are_read_in_their_notation_and_keep_their_digits(
    cell: str, reading: Reading, text: str, number: float
) -> None:
    value = read(cell, reading)
    assert value is not None
    assert value.text == text
    assert value.number == pytest.approx(number)


@pytest.mark.parametrize(
    "cell",
    ["007", "1,23,456", "1.2.3", "12 apples", "€", "1e9999", "$5$", "..", "+-1", "1_000", "٣", "9" * 400, "0x1F"],
)
def test_what_only_resembles_a_number_is_none(cell: str) -> None:
    assert read(cell, POINT) is None
    assert read(cell, COMMA) is None


@pytest.mark.parametrize(
    ("cell", "notation", "text"),
    [
        ("03/04/2026", "day first", "2026-04-03"),
        ("03/04/2026", "month first", "2026-03-04"),
        ("2026-02-28 7:05", "year first", "2026-02-28T07:05:00"),
        ("2026-02-28T23:59:59.25Z", "year first", "2026-02-28T23:59:59.250000+00:00"),
        ("2026/2/8", "year first", "2026-02-08"),
        ("31.12.2026 18:00", "day first", "2026-12-31T18:00:00"),
    ],
)
def test_dates_are_read_in_their_order(cell: str, notation: str, text: str) -> None:
    value = read(cell, Reading("date", notation))
    assert value is not None
    assert value.text == text


@pytest.mark.parametrize("cell", ["2026-02-30", "31/31/2026", "2026-1/2", "24.13.", "2026-01-01T25:00"])
def test_a_day_that_does_not_exist_is_no_date(cell: str) -> None:
    assert signature(cell).readings == ()


def test_a_date_with_a_zone_is_compared_by_its_moment() -> None:
    reading = Reading("date", "year first")
    east, utc = read("2026-01-01T02:00+02:00", reading), read("2026-01-01T00:00Z", reading)
    assert east is not None
    assert utc is not None
    assert east.number == utc.number


@pytest.mark.parametrize("cell", ["", "-", "N/A", "NaN", "null", "None", "#N/A", "?"])
def test_words_for_nothing_are_missing(cell: str) -> None:
    assert is_missing(cell)


@pytest.mark.parametrize("cell", ["0", "NA", "nothing", "no", "x"])
def test_words_for_something_are_not_missing(cell: str) -> None:
    assert not is_missing(cell)


def test_headers_are_lower_case_words_each_once() -> None:
    given = ["Order No.", " Total (€) ", "", "Order-No", "Humidity (%)", "Größe", "???"]
    assert normalised_headers(given) == [
        "order_no", "total", "column_3", "order_no_2", "humidity_percent", "größe", "column_7",
    ]  # fmt: skip


@given(st.text(min_size=1))
def test_any_cell_has_a_signature_that_holds(cell: str) -> None:
    for reading in signature(cell).readings:
        assert read(cell, reading) is not None


@given(st.decimals(allow_infinity=False, allow_nan=False, places=2, min_value=-(10**9), max_value=10**9))
def test_a_number_survives_each_notation(number: object) -> None:
    plain = f"{number:.2f}"
    grouped = f"{number:,.2f}"
    swapped = grouped.translate(str.maketrans(",.", ".,"))
    for cell, reading in ((plain, POINT), (grouped, POINT), (swapped, COMMA)):
        value = read(cell, reading)
        assert value is not None
        assert float(value.text) == float(plain)
