"""How the database reads a cell: expressions of SQL for numbers and dates in the notation of a column."""

from __future__ import annotations

from collections.abc import Sequence

from .database import text
from .values import BLANKS, GAPS, MINUS, NO_CENTS, Decimal, Order, date_pattern, number_pattern


def number_expression(column: str, decimal: Decimal, unit: str, examples: Sequence[str]) -> str:
    """Return what reads a cell as DOUBLE, NULL where it is no number; only what the examples have is provided for.

    Without examples all cells are plain numbers.
    """
    if not examples:
        return f"TRY_CAST({column} AS DOUBLE)"
    seen = "".join(examples)
    value = f"replace({column}, {text(unit)}, '')" if unit else column
    dropped = GAPS + ("." if decimal == "," else ",")
    kept = ("," if decimal == "," else "") + (MINUS if MINUS in seen else "")
    # translate deletes the characters that have no counterpart.
    value = f"translate({value}, {text(kept + dropped)}, {text(kept.replace(',', '.').replace(MINUS, '-'))})"
    if "(" in seen:
        value = rf"regexp_replace({value}, '^\((.*)\)$', '-\1')"
    if any(each in seen for each in NO_CENTS + "="):
        # A dash behind the decimal sign stands for no cents, and is no minus.
        value = rf"regexp_replace({value}, '\.[{NO_CENTS}=]+$', '')"
    if any(each.strip(BLANKS + unit)[-1:] in ("-", MINUS) for each in examples if each.strip(BLANKS + unit)):
        value = rf"regexp_replace({value}, '^([0-9.]+)-$', '-\1')"
    if "+" in seen:
        value = rf"regexp_replace({value}, '^\+', '')"
    number = f"TRY_CAST({value} AS DOUBLE)"
    pattern = text(number_pattern(decimal, unit))
    finite = f"CASE WHEN isfinite({number}) THEN {number} END" if "e" in seen.lower() else number
    return f"CASE WHEN regexp_full_match({column}, {pattern}) THEN {finite} END"


def date_expression(column: str, order: Order, mark: str, examples: Sequence[str]) -> str:
    """Return what reads a cell as TIMESTAMP (of UTC where it has an offset), NULL where it is no date.

    Without examples all cells are plain dates.
    """
    if not examples:
        return f"TRY_CAST({column} AS TIMESTAMP)"
    value = f"trim({column})" if any(each != each.strip() for each in examples) else column
    if order == "year first":
        if mark == ".":
            value = rf"regexp_replace({value}, '^([0-9]+)\.([0-9]+)\.', '\1-\2-')"
    else:
        year_month_day = r"\3-\2-\1" if order == "day first" else r"\3-\1-\2"
        value = f"regexp_replace({value}, '^([0-9]+)[-/.]([0-9]+)[-/.]([0-9]+)', '{year_month_day}')"
    times = [each.strip()[8:] for each in examples]
    if any("," in each for each in times):
        value = f"replace({value}, ',', '.')"
    if any(each[-1:] in "mM" for each in times if each):
        formats = "['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p', '%Y-%m-%d %I:%M:%S%p', '%Y-%m-%d %I:%M%p', '%Y-%m-%d']"
        moment = f"try_strptime({value.replace('/', '/')}, {formats})"
    elif any("+" in each or "-" in each for each in times):
        moment = f"(TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    else:
        moment = f"TRY_CAST({value} AS TIMESTAMP)"
    return f"CASE WHEN regexp_full_match({column}, {text(date_pattern(order, mark))}) THEN {moment} END"
