"""Statistics are those that an exact computation gives, of what the cells say."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from pathlib import Path

import pandas
import pytest

from pipeline_app.sample.csvreport import values
from pipeline_app.sample.csvreport.figures import QUANTILES
from tests.bench.tables import write_table
from tests.sample.inputs import lines, process


def _exact(numbers: list[str]) -> tuple[float, float]:
    """Return mean and deviation of the nearest floating-point numbers, computed without rounding."""
    values = [Fraction(float(each)) for each in numbers]
    mean = sum(values, Fraction(0)) / len(values)
    variance = sum(((each - mean) ** 2 for each in values), Fraction(0)) / (len(values) - 1)
    return float(mean), math.sqrt(variance)


def _numbers(kind: str) -> list[str]:
    chance = random.Random(kind)  # noqa: S311 -- repeatable, not secret.
    if kind == "far from zero":
        return [f"{1_000_000_000 + chance.random():.6f}" for _ in range(3_000)]
    if kind == "of all sizes":
        return [f"{chance.choice([-1, 1]) * 10 ** chance.uniform(-12, 12):.17g}" for _ in range(3_000)]
    if kind == "that cancel out":
        return [each for _ in range(700) for each in (f"{chance.random() * 1e14:.3f}",) for each in (each, f"-{each}")]
    if kind == "large and whole":
        return [str(2**53 - 1 - chance.randrange(1_000)) for _ in range(3_000)]
    return [f"{chance.gauss(20, 5):.2f}" for _ in range(3_000)]


@pytest.mark.parametrize("kind", ["far from zero", "of all sizes", "that cancel out", "large and whole", "usual"])
def test_means_deviations_and_extremes_are_exact_to_12_digits(tmp_path: Path, kind: str) -> None:
    numbers = _numbers(kind)
    made = process(tmp_path, lines("n,x", [f"{n},{each}" for n, each in enumerate(numbers)]))
    mean, deviation = _exact(numbers)
    column = made.column("x")
    assert column["mean"] == pytest.approx(mean, rel=1e-12, abs=1e-12 * deviation)
    assert column["stdev"] == pytest.approx(deviation, rel=1e-12)
    assert (column["min"], column["max"]) == (min(map(float, numbers)), max(map(float, numbers)))
    assert sum(column["histogram"]["counts"]) == len(numbers)


def test_figures_are_those_of_pandas_to_12_digits(tmp_path: Path) -> None:
    source = tmp_path / "orders.csv"
    write_table(source, 20_000)
    # Those that are large and whole are left out: the deviation that pandas has of them is right in 6 digits only.
    names = ["far from zero", "of all sizes", "usual"]
    more = pandas.DataFrame({name: pandas.Series(_numbers(name)) for name in names})
    table = pandas.concat([pandas.read_csv(source, dtype=str), more], axis=1)
    made = process(tmp_path, table.to_csv(index=False))
    compared = 0
    for name in ["order id", "amount", "quantity", "discount", *names]:
        column, peer = made.column(name), pandas.to_numeric(table[name])
        assert (column["type"], column["count"], column["distinct"]) == ("number", peer.count(), peer.nunique())
        assert (column["min"], column["max"]) == (peer.min(), peer.max())
        deviation = peer.std()
        assert column["stdev"] == pytest.approx(deviation, rel=1e-12)
        # Where numbers cancel out, the mean has fewer digits of its own.
        near = {"rel": 1e-12, "abs": 1e-12 * deviation}
        assert column["mean"] == pytest.approx(peer.mean(), **near)
        quantiles = {**column["quantiles"], "median": column["median"]}
        assert [quantiles[each] for each in QUANTILES] == pytest.approx(
            list(peer.quantile(list(QUANTILES.values()))), **near
        )
        compared += len(peer)
    assert compared == 140_000


@pytest.mark.parametrize(
    ("cells", "least", "greatest", "unit"),
    [
        (["1.234,50", "9,75", "-0,5"], -0.5, 1234.5, ""),
        (["1,234.50", "9.75", "-0.5"], -0.5, 1234.5, ""),
        (["1 234 567,5", "12,5"], 12.5, 1234567.5, ""),
        (["1\u202f234,5", "1\u00a0234,75"], 1234.5, 1234.75, ""),
        (["12,34,567.50", "1.25"], 1.25, 1234567.5, ""),
        (["1'234.50", "1.25"], 1.25, 1234.5, ""),
        (["(5.50)", "5.25-", "\u22127.5", "+1.5"], -7.5, 1.5, ""),
        (["$1,250.00", "-$3.50", "($4.00)", "$ 2"], -4, 1250, "$"),
        (["1.250,00 €", "-3,50 €", "7 €"], -3.5, 1250, "€"),
        (["5 %", "7.5%", "-1%"], -1, 7.5, "%"),
        (["1e3", "2.5E-2", "7"], 0.025, 1000, ""),
        (["1e3", "2E+2"], 200, 1000, ""),
        (["1.2E5", "1.4E3"], 1400, 120000, ""),
        (["1e5", "2.5", "3.75"], 2.5, 100000, ""),
        (["-1E5", "2E3"], -100000, 2000, ""),
        # A dash behind the decimal sign says that there are no cents.
        (["5,-", "1.234,-"], 5, 1234, ""),
        (["5,--", "-7,\u2013", "(8,-)", "9,50"], -8, 9.5, ""),
        (["5.-", "7.50", "1'234.--"], 5, 1234, ""),
        (["kr 100,-", "kr 1.250,50"], 100, 1250.5, "kr"),
        (["5,- €", "1.234,— €", "-3,\u2212 €"], -3, 1234, "€"),
        (["5,00-", "7,5-", "3-", "5,-"], -7.5, 5, ""),
        (["€ 5-", "7 €-", "3- €"], -7, -3, "€"),
        # Of a table with semicolons too.
        (["$1,250", "$10,500"], 1250, 10500, "$"),
    ],
)
def test_notations_are_read(tmp_path: Path, cells: list[str], least: float, greatest: float, unit: str) -> None:
    made = process(tmp_path, lines("k\tv", [f"k{n}\t{cell}" for n, cell in enumerate(cells)]))
    column = made.column("v")
    assert column["type"] == "number"
    assert (column["min"], column["max"]) == (least, greatest)
    assert column.get("unit", "") == unit
    assert column["unrecognised"] == 0
    assert [row[1] for row in made.rows[1:]] == cells


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["007", "012", "100"], "these name something"),
        (["+4930123456", "+4930123457"], "these name something"),
        (["12345678901234567890", "12345678901234567891"], "2^53"),
        (["9007199254740993", "9007199254740992", "1"], "2^53"),
        (["$5", "€6", "£7"], "mixed units"),
        (["5 %", "6", "7 %"], "mixed units"),
        (["12E5", "13E7"], "may name something"),
        (["12E5", "1400", "7"], "may name something"),
        (["1,5", "1.5", "2,25", "2.25"], "decimal"),
    ],
)
def test_what_is_no_quantity_for_certain_stays_text_and_says_why(tmp_path: Path, cells: list[str], told: str) -> None:
    made = process(tmp_path, lines("k\tv", [f"k{n}\t{cell}" for n, cell in enumerate(cells)]))
    column = made.column("v")
    assert column["type"] == "text"
    assert told in column["text_because"]
    assert "mean" not in column
    assert [row[1] for row in made.rows[1:]] == cells
    assert any("Kept as text" in each and told in each for each in made.summary["decided"])


@pytest.mark.parametrize(
    ("cells", "greatest", "sign", "other"),
    [
        (["1.234", "12.345", "101.234"], 101.234, "point", "large"),
        (["1.234", "5", "-7.123"], 5, "point", "large"),
        ([*map(str, range(3_000)), "4.321"], 2999, "point", "large"),
        (["€1.234", "€12.345"], 12.345, "point", "large"),
        (["1,250 €", "10,500 €"], 10.5, "comma", "large"),
        (["$1,250", "$10,500"], 10500, "point", "small"),
    ],
)
def test_what_may_be_a_thousand_times_as_much_is_told(
    tmp_path: Path, cells: list[str], greatest: float, sign: str, other: str
) -> None:
    made = process(tmp_path, lines("k;v", [f"k{n};{cell}" for n, cell in enumerate(cells)]))
    assert made.column("v")["max"] == greatest
    (told,) = [each for each in made.summary["decided"] if each.startswith(f"The decimal sign is a {sign}, told by")]
    assert "custom" in told
    assert f"1,000 times as {other}" in told


@pytest.mark.parametrize("cells", [["1.234", "0.345"], ["1.234", "2000.25"], ["1", "2"], ["1.5", "2.25"]])
def test_what_can_be_read_in_one_way_alone_needs_no_telling(tmp_path: Path, cells: list[str]) -> None:
    made = process(tmp_path, lines("k;v", [f"k{n};{cell}" for n, cell in enumerate(cells)]))
    assert not any("decimal sign" in each for each in made.summary["decided"])


def test_a_group_of_three_behind_a_point_is_a_fraction_unless_other_columns_have_decimal_commas(tmp_path: Path) -> None:
    rows = [f"{n}.250;{n},5" for n in range(1, 9)]
    made = process(tmp_path, lines("a;b", rows))
    assert (made.column("a")["max"], made.column("b")["max"]) == (8250, 8.5)
    assert any("decimal sign is a comma" in each for each in made.summary["decided"])
    made = process(tmp_path, lines("a;b", [row.replace(",", ".") for row in rows]))
    assert (made.column("a")["max"], made.column("b")["max"]) == (8.25, 8.5)


@pytest.mark.parametrize(
    ("cells", "first", "last"),
    [
        (["03/04/2026", "25/04/2026"], "2026-04-03", "2026-04-25"),
        (["04/03/2026", "04/25/2026"], "2026-04-03", "2026-04-25"),
        (["03.04.2026", "05.04.2026"], "2026-04-03", "2026-04-05"),
        (["2026-04-03T23:30:00-02:00", "2026-04-05T00:00:00Z"], "2026-04-04T01:30:00", "2026-04-05T00:00:00"),
        (["4/3/2026 1:05 PM", "4/25/2026 11:00 AM"], "2026-04-03T13:05:00", "2026-04-25T11:00:00"),
    ],
)
def test_dates_are_read(tmp_path: Path, cells: list[str], first: str, last: str) -> None:
    made = process(tmp_path, lines("k,t", [f"k{n},{cell}" for n, cell in enumerate(cells)]))
    column = made.column("t")
    assert (column["type"], column["first"], column["last"]) == ("date", first, last)


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "NULL",
        "2026-01-02T03:04+09:00",
        "2026-02-30",
        "9999-12-31",
        "0000-01-01",
        "2026-01-02T24:00",
        "2026-01-02 3:04 PM",
    ],
)
def test_plain_dates_are_told_from_others_as_all_forms_would_tell_them(
    tmp_path: Path, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"{2000 + n % 30}-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(9000)]
    times = ["", "T01:02", " 01:02:03", "T01:02:03.456789"]
    # More rows than the sample of them, which may miss the odd one.
    rows = [f"{n},{day}{times[n % 4]},{day}" for n, day in enumerate(days)] + [f"x,{odd},2026-01-01"]
    quick = process(tmp_path, lines("k,t,d", rows)).summary
    monkeypatch.setattr(values, "PLAIN_DATE", "never")
    assert process(tmp_path, lines("k,t,d", rows)).summary == quick
    assert [each["type"] for each in quick["columns"][1:]] == ["date", "date"]


def test_dates_whose_days_and_months_cannot_be_told_apart_stay_text(tmp_path: Path) -> None:
    made = process(tmp_path, lines("k,t", ["a,03/04/2026", "b,05/06/2026"]))
    assert made.column("t")["type"] == "text"
    assert "cannot be told apart" in made.column("t")["text_because"]


@pytest.mark.parametrize("word", ["\\N", "NULL", "NA", "n/a", "-"])
def test_a_word_is_missing_beside_numbers(tmp_path: Path, word: str) -> None:
    made = process(tmp_path, lines("k,v", [f"k{n},{word if n == 3 else n}" for n in range(9)]))
    column = made.column("v")
    assert (column["type"], column["missing"], column["missing_words"]) == ("number", 1, {word: 1})
    assert any(f"“{word}” counts as missing: v." == each for each in made.summary["decided"])
    assert made.rows[4] == ["k3", word]


@pytest.mark.parametrize("word", ["NULL", "NA", "None", "-"])
def test_a_word_among_words_is_a_word(tmp_path: Path, word: str) -> None:
    made = process(tmp_path, lines("k,name", ["a,Ann", f"b,{word}", "c,Bob"]))
    assert made.column("name")["missing"] == 0
    assert word in [each["value"] for each in made.column("name")["top"]]


def test_the_code_of_a_country_is_none_that_is_missing_elsewhere(tmp_path: Path) -> None:
    rows = [
        f"{country},{value}" for country, value in zip(["DE", "NA", "FR", "NO"] * 3, ["1", "NA", "2"] * 4, strict=True)
    ]
    made = process(tmp_path, lines("country,value", rows))
    assert made.column("country")["missing"] == 0
    assert made.column("value")["missing_words"] == {"NA": 4}
